-- How many scored open findings rest on some decisions.
SELECT count(*) AS findings
FROM decision
INNER JOIN finding ON decision.advisory_id = finding.advisory_id AND decision.decision_id = finding.decision_id
WHERE
    decision.decision_id = any(%(decision_ids)s::bigint[])
    AND finding.status IN ('open', 'accepted')
    AND finding.priority_since IS NOT NULL
