-- What is known of the exploitation of each CVE that a campaign which is not yet rolling out fixes.
SELECT
    campaign.campaign_id,
    advisory_cve.cve_id,
    epss.probability,
    kev.cve_id IS NOT NULL OR lower(cve_ssvc.exploitation) = 'active' AS exploited
FROM campaign
INNER JOIN campaign_package ON campaign.campaign_id = campaign_package.campaign_id
INNER JOIN advisory_cve ON campaign_package.advisory_id = advisory_cve.advisory_id
LEFT JOIN epss ON advisory_cve.cve_id = epss.cve_id
LEFT JOIN kev ON advisory_cve.cve_id = kev.cve_id
LEFT JOIN cve_ssvc ON advisory_cve.cve_id = cve_ssvc.cve_id
WHERE campaign.state = any(%(states)s)
GROUP BY campaign.campaign_id, advisory_cve.cve_id, epss.probability, kev.cve_id, cve_ssvc.exploitation
ORDER BY campaign.campaign_id, advisory_cve.cve_id
