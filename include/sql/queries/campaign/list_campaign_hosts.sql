SELECT
    campaign_host.host_id,
    campaign_host.ring,
    host.asset_group,
    host.environment,
    host.criticality
FROM campaign_host
INNER JOIN host ON campaign_host.host_id = host.host_id
WHERE campaign_host.campaign_id = %(campaign_id)s
ORDER BY campaign_host.ring, campaign_host.host_id
