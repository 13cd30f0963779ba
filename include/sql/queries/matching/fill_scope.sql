-- The hosts to look at, in chunks of neighbours. host_ids NULL: all that are not retired.
INSERT INTO work_scope (host_id, chunk, kind_id)
SELECT
    host.host_id,
    (row_number() OVER (ORDER BY host.host_id) - 1) / %(chunk_hosts)s::bigint AS chunk,
    work_kind.kind_id
FROM host
INNER JOIN work_kind
    ON
        host.asset_group = work_kind.asset_group
        AND host.criticality = work_kind.criticality
        AND host.exposure = work_kind.exposure
WHERE
    host.retired_at IS NULL
    AND (%(host_ids)s::text[] IS NULL OR host.host_id = any(%(host_ids)s::text[]))
