-- What was changed by hand on a campaign's hosts, one row a host: edited conffiles and pins as the inventory found
-- them, and the packages on hold. A host whose inventory is older than the collection of these facts gives NULL.
SELECT
    campaign_host.host_id,
    host.collected_at,
    host.facts -> 'local_changes' AS local_changes,
    coalesce(
        (
            SELECT jsonb_agg(DISTINCT host_package.package)
            FROM host_package
            WHERE host_package.host_id = campaign_host.host_id AND host_package.held
        ),
        '[]'::jsonb
    ) AS held
FROM campaign_host
INNER JOIN host ON campaign_host.host_id = host.host_id
WHERE campaign_host.campaign_id = %(campaign_id)s
ORDER BY campaign_host.host_id
