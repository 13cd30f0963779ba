-- The distinct (advisory, kind of asset) pairs of the share that is being matched.
SELECT DISTINCT
    work_share.advisory_id,
    host.asset_group,
    host.criticality,
    host.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM work_share
INNER JOIN host ON work_share.host_id = host.host_id
INNER JOIN advisory ON work_share.advisory_id = advisory.advisory_id
