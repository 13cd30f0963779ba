SELECT
    kind,
    count(*) AS contradictions
FROM contradiction
WHERE ended_at IS NULL
GROUP BY kind
ORDER BY kind
