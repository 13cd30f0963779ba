-- The (advisory, kind of asset) pairs that have a decision or need one, read without looking at every finding: those
-- decided before, and those of findings that were never scored, came back, or are on hosts of another kind now.
SELECT
    decision.advisory_id,
    decision.asset_group,
    decision.criticality,
    decision.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM decision
INNER JOIN advisory ON decision.advisory_id = advisory.advisory_id
WHERE decision.superseded_at IS NULL
UNION
SELECT
    finding.advisory_id,
    host.asset_group,
    host.criticality,
    host.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM (
    SELECT
        unscored.advisory_id,
        unscored.host_id
    FROM finding AS unscored
    WHERE unscored.priority_since IS NULL AND unscored.status IN ('open', 'accepted')
    UNION ALL
    SELECT
        moved.advisory_id,
        moved.host_id
    FROM finding AS moved
    WHERE moved.host_id = any(%(host_ids)s::text[]) AND moved.status IN ('open', 'accepted')
) AS finding
INNER JOIN host ON finding.host_id = host.host_id
INNER JOIN advisory ON finding.advisory_id = advisory.advisory_id
ORDER BY advisory_id, asset_group, criticality, exposure
