-- What vendors say of the fixes in a campaign.
SELECT
    advisory.advisory_id,
    advisory.source_package,
    advisory.title,
    string_agg(advisory_cve.cve_id, ', ' ORDER BY advisory_cve.cve_id) AS cves
FROM advisory
INNER JOIN advisory_cve ON advisory.advisory_id = advisory_cve.advisory_id
WHERE
    advisory.advisory_id IN (
        SELECT campaign_package.advisory_id FROM campaign_package
        WHERE campaign_package.campaign_id = %(campaign_id)s AND campaign_package.advisory_id IS NOT NULL
    )
GROUP BY advisory.advisory_id, advisory.source_package, advisory.title
ORDER BY advisory.advisory_id
