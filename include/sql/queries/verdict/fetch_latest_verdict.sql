SELECT
    verdict_id,
    ring,
    verdict,
    reason,
    measures,
    started_at,
    judged_at
FROM verdict
WHERE campaign_id = %(campaign_id)s AND (%(ring)s::text IS NULL OR ring = %(ring)s)
ORDER BY verdict_id DESC
LIMIT 1
