-- The chain from a record on.
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
WHERE seq >= %(seq)s
ORDER BY seq
