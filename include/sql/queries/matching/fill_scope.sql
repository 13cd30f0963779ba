-- The hosts to look at, in chunks of neighbours. host_ids NULL: all that are not retired.
INSERT INTO work_scope (host_id, chunk)
SELECT
    host_id,
    (row_number() OVER (ORDER BY host_id) - 1) / %(chunk_hosts)s::bigint AS chunk
FROM host
WHERE retired_at IS NULL AND (%(host_ids)s::text[] IS NULL OR host_id = any(%(host_ids)s::text[]))
