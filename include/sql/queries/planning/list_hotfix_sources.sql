-- Source packages that a live campaign brings out of band: nothing else is planned for them meanwhile.
SELECT DISTINCT
    campaign.asset_group,
    campaign_package.source_package
FROM campaign
INNER JOIN campaign_package ON campaign.campaign_id = campaign_package.campaign_id
WHERE
    campaign.state NOT IN ('closed', 'rolled_back', 'superseded', 'rejected', 'test_failed', 'declined')
    AND campaign.plan -> 'extra' ->> 'case_id' IS NOT NULL
