SELECT host_id
FROM host
WHERE host_id = %(host_id)s AND retired_at IS NULL
