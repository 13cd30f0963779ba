-- Campaigns that were planned since a moment; those that another one superseded were no work of their own.
SELECT
    campaign_id,
    asset_group,
    jsonb_array_length(plan -> 'packages') AS packages
FROM campaign
WHERE created_at >= %(since)s AND state <> 'superseded'
