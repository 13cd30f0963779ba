-- Each host of a campaign with each of its packages: what should be there, and what the last inventory found (NULL: it
-- is not installed).
SELECT
    campaign_host.host_id,
    campaign_package.package,
    campaign_package.architecture,
    campaign_package.source_package,
    campaign_package.version AS target_version,
    campaign_package.sha256,
    host_package.version AS installed_version,
    host_package.dpkg_status,
    host_package.held
FROM campaign_host
INNER JOIN campaign_package ON campaign_host.campaign_id = campaign_package.campaign_id
LEFT JOIN host_package
    ON
        campaign_host.host_id = host_package.host_id
        AND campaign_package.package = host_package.package
        AND campaign_package.architecture = host_package.architecture
        AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
WHERE campaign_host.campaign_id = %(campaign_id)s
ORDER BY campaign_host.host_id, campaign_package.package, campaign_package.architecture
