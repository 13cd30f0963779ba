-- The waiver of a campaign's plan; none when nobody gave one.
SELECT
    parity_waiver_id,
    asset_group,
    policy_reason,
    waived_by,
    reason,
    waived_at
FROM parity_waiver
WHERE campaign_id = %(campaign_id)s AND plan_hash = %(plan_hash)s
