SELECT
    intake_id,
    campaign_id,
    source,
    verdict,
    reason,
    sentence,
    snapshot_ref,
    chain,
    decided_at
FROM intake
WHERE %(campaign_id)s::text IS NULL OR campaign_id = %(campaign_id)s
ORDER BY decided_at DESC, intake_id DESC
LIMIT %(max_rows)s
