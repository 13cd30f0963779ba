UPDATE host_lease
SET expires_at = clock_timestamp() + %(time_to_live)s
FROM unnest(%(host_ids)s::text[], %(tokens)s::bigint[]) AS mine (host_id, token)
WHERE host_lease.host_id = mine.host_id AND host_lease.token = mine.token
RETURNING host_lease.host_id
