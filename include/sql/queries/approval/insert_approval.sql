INSERT INTO approval (
    campaign_id, gate, seat, approver, decision, comment, plan_hash, decided_at, expires_at
)
VALUES (
    %(campaign_id)s, %(gate)s, %(seat)s, %(approver)s, %(decision)s, %(comment)s, %(plan_hash)s, %(decided_at)s,
    %(expires_at)s
)
ON CONFLICT DO NOTHING
