INSERT INTO parity_waiver (campaign_id, plan_hash, asset_group, policy_reason, waived_by, reason, waived_at)
VALUES (
    %(campaign_id)s, %(plan_hash)s, %(asset_group)s, %(policy_reason)s, %(waived_by)s, %(reason)s, %(waived_at)s
)
