SELECT
    seq,
    recorded_at,
    actor,
    action,
    subject,
    campaign_id,
    grounds,
    prev_hash,
    hash
FROM evidence
WHERE %(campaign_id)s::text IS NULL OR campaign_id = %(campaign_id)s
ORDER BY seq
