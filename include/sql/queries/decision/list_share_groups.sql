-- The distinct (advisory, kind of asset) pairs of the share that is being matched.
SELECT DISTINCT
    work_share.advisory_id,
    host.asset_group,
    host.criticality,
    host.exposure
FROM work_share
INNER JOIN host ON work_share.host_id = host.host_id
