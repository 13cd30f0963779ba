-- Campaigns that are not tested yet, the oldest first.
SELECT
    campaign.campaign_id,
    campaign.title,
    campaign.state,
    campaign.asset_group,
    campaign.priority,
    campaign.deadline,
    campaign.created_at,
    jsonb_array_length(campaign.plan -> 'packages') AS packages,
    train_slot.train_id,
    train_slot.released_at
FROM campaign
LEFT JOIN train_slot ON campaign.campaign_id = train_slot.campaign_id
WHERE campaign.state IN ('planned', 'validated')
ORDER BY campaign.created_at, campaign.campaign_id
