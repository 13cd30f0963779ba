SELECT
    host_package.host_id,
    host_package.package,
    host_package.architecture,
    host_package.version
FROM campaign_host
INNER JOIN host_package ON campaign_host.host_id = host_package.host_id
WHERE campaign_host.campaign_id = %(campaign_id)s AND host_package.dpkg_status LIKE '_i%%'
ORDER BY host_package.host_id, host_package.package, host_package.architecture
