SELECT
    campaign_id,
    title,
    state,
    state_reason,
    revision,
    source,
    asset_group,
    requested_by,
    priority,
    deadline,
    window_name,
    plan,
    plan_hash,
    reasons,
    created_at,
    updated_at
FROM campaign
WHERE campaign_id = %(campaign_id)s
