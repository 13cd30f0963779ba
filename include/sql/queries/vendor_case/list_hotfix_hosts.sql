-- What of a source is installed on the hosts that a campaign patched, staging included.
SELECT
    campaign_host.host_id,
    campaign_host.ring,
    host_package.package,
    host_package.version
FROM campaign_host
INNER JOIN host ON campaign_host.host_id = host.host_id
LEFT JOIN host_package
    ON
        campaign_host.host_id = host_package.host_id
        AND host_package.source_package = %(source_package)s
        AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
WHERE campaign_host.campaign_id = %(campaign_id)s AND host.retired_at IS NULL
ORDER BY campaign_host.host_id, host_package.package
