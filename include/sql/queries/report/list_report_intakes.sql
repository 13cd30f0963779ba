SELECT
    source,
    verdict,
    reason,
    sentence,
    snapshot_ref,
    chain,
    decided_at
FROM intake
WHERE campaign_id = %(campaign_id)s
ORDER BY intake_id
