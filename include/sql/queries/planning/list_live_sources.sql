-- Which source packages a campaign that has not ended carries, in which version.
SELECT DISTINCT
    campaign.campaign_id,
    campaign.state,
    campaign.asset_group,
    campaign.source,
    campaign_package.source_package,
    campaign_package.source_version,
    debian_version.sort_key
FROM campaign
INNER JOIN campaign_package ON campaign.campaign_id = campaign_package.campaign_id
INNER JOIN debian_version ON campaign_package.source_version = debian_version.version
WHERE
    campaign.state NOT IN ('closed', 'rolled_back', 'superseded')
    AND campaign_package.advisory_id IS NOT NULL
ORDER BY campaign.campaign_id, campaign_package.source_package
