-- The hosts to look at, in chunks of neighbours. host_ids NULL: all that are not retired.
INSERT INTO work_scope (host_id, host_no, chunk, kind_id, runs_another_kernel, stale_packages)
SELECT
    host.host_id,
    finding_host.host_no,
    (row_number() OVER (ORDER BY finding_host.host_no) - 1) / %(chunk_hosts)s::bigint AS chunk,
    work_kind.kind_id,
    coalesce(host.kernel_running <> host.kernel_installed, FALSE) AS runs_another_kernel,
    nullif(host.facts -> 'stale_packages', '[]'::jsonb) AS stale_packages
FROM host
INNER JOIN finding_host ON host.host_id = finding_host.host_id
INNER JOIN work_kind
    ON
        host.asset_group = work_kind.asset_group
        AND host.criticality = work_kind.criticality
        AND host.exposure = work_kind.exposure
WHERE
    host.retired_at IS NULL
    AND (%(host_ids)s::text[] IS NULL OR host.host_id = any(%(host_ids)s::text[]))
