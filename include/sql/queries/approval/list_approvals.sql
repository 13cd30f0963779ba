SELECT
    gate,
    seat,
    approver,
    decision,
    comment,
    plan_hash,
    decided_at,
    expires_at
FROM approval
WHERE campaign_id = %(campaign_id)s
ORDER BY decided_at
