SELECT
    condition.name,
    count(*) AS findings,
    count(DISTINCT finding.host_id) AS hosts
FROM finding
CROSS JOIN LATERAL unnest(finding.conditions) AS condition (name)
WHERE finding.status IN ('open', 'accepted')
GROUP BY condition.name
ORDER BY condition.name
