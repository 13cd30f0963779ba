-- How many scored open findings rest on some decisions.
SELECT count(*) AS findings
FROM finding
WHERE
    status IN ('open', 'accepted')
    AND priority_since IS NOT NULL
    AND decision_id = any(%(decision_ids)s::bigint[])
