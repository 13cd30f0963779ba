-- The hosts whose holdings are found out anew, in chunks of neighbours; also those that are gone or retired.
INSERT INTO work_marked (host_no, host_id, kind_id, runs_another_kernel, stale_packages, chunk)
SELECT
    finding_host.host_no,
    finding_host.host_id,
    asset_kind.kind_id,
    coalesce(host.kernel_running <> host.kernel_installed, FALSE) AS runs_another_kernel,
    nullif(host.facts -> 'stale_packages', '[]'::jsonb) AS stale_packages,
    (row_number() OVER (ORDER BY finding_host.host_no) - 1) / %(chunk_hosts)s::bigint AS chunk
FROM finding_host
LEFT JOIN host ON finding_host.host_id = host.host_id AND host.retired_at IS NULL
LEFT JOIN asset_kind
    ON
        host.asset_group = asset_kind.asset_group
        AND host.criticality = asset_kind.criticality
        AND host.exposure = asset_kind.exposure
WHERE finding_host.host_id = any(%(host_ids)s::text[])
