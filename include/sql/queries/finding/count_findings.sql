SELECT
    priority,
    count(*) AS findings,
    count(DISTINCT host_id) AS hosts,
    count(*) FILTER (WHERE reasons ->> 'state' = 'unscored') AS unscored,
    min(deadline) AS first_deadline
FROM finding
WHERE status IN ('open', 'accepted')
GROUP BY priority
ORDER BY array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], priority)
