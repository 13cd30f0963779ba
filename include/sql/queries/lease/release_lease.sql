UPDATE host_lease
SET expires_at = least(expires_at, clock_timestamp())
WHERE host_id = %(host_id)s AND token = %(token)s
