SELECT
    ring,
    verdict,
    reason,
    measures,
    started_at,
    judged_at
FROM verdict
WHERE campaign_id = %(campaign_id)s
ORDER BY verdict_id
