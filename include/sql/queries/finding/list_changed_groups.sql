-- The (advisory, kind of asset) pairs that may need another decision or a first one, read without looking at every
-- finding: those decided before of which facts changed (everything: all of them), and those of findings that were never
-- scored, came back, or are on hosts of another kind now.
WITH changed AS MATERIALIZED (
    SELECT named.advisory_id
    FROM unnest(%(advisory_ids)s::text[]) AS named (advisory_id)
    UNION
    SELECT advisory_cve.advisory_id
    FROM advisory_cve
    WHERE advisory_cve.cve_id = any(%(cve_ids)s::text[])
)

SELECT
    decision.advisory_id,
    decision.asset_group,
    decision.criticality,
    decision.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM decision
INNER JOIN advisory ON decision.advisory_id = advisory.advisory_id
WHERE
    decision.superseded_at IS NULL
    AND %(everything)s
UNION
SELECT
    decision.advisory_id,
    decision.asset_group,
    decision.criticality,
    decision.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM changed
INNER JOIN decision ON changed.advisory_id = decision.advisory_id AND decision.superseded_at IS NULL
INNER JOIN advisory ON decision.advisory_id = advisory.advisory_id
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
