SELECT
    campaign_id,
    title,
    state,
    state_reason,
    source,
    asset_group,
    requested_by,
    priority,
    deadline,
    window_name,
    created_at,
    updated_at,
    jsonb_array_length(plan -> 'packages') AS packages,
    (
        SELECT count(*) FROM campaign_host
        WHERE campaign_host.campaign_id = campaign.campaign_id AND campaign_host.ring <> 'staging'
    ) AS hosts
FROM campaign
WHERE %(state)s::text IS NULL OR state = %(state)s
ORDER BY created_at, campaign_id
