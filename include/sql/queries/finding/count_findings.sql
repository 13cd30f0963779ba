WITH stated AS MATERIALIZED (
    SELECT decision_id
    FROM decision
    WHERE reasons ->> 'state' <> 'unscored'
),

by_host AS (
    SELECT
        finding.priority,
        finding.host_id,
        count(*) AS findings,
        count(*) FILTER (WHERE stated.decision_id IS NULL) AS unscored,
        min(finding.deadline) AS first_deadline
    FROM finding
    LEFT JOIN stated ON finding.decision_id = stated.decision_id
    WHERE finding.status IN ('open', 'accepted')
    GROUP BY finding.priority, finding.host_id
)

SELECT
    priority,
    sum(findings)::bigint AS findings,
    count(*) AS hosts,
    sum(unscored)::bigint AS unscored,
    min(first_deadline) AS first_deadline
FROM by_host
GROUP BY priority
ORDER BY array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], priority)
