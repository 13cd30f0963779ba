-- The distinct (advisory, kind of asset) pairs with an open or accepted finding: each is decided once.
SELECT DISTINCT
    finding.advisory_id,
    host.asset_group,
    host.criticality,
    host.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM finding
INNER JOIN host ON finding.host_id = host.host_id
INNER JOIN advisory ON finding.advisory_id = advisory.advisory_id
WHERE finding.status IN ('open', 'accepted')
ORDER BY finding.advisory_id, host.asset_group, host.criticality, host.exposure
