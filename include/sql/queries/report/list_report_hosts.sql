SELECT
    campaign_host.host_id,
    campaign_host.ring,
    host.asset_group,
    host.environment,
    host.criticality,
    host.exposure,
    host.os_id,
    host.os_codename,
    host.kernel_running,
    host.kernel_installed,
    host.reboot_required,
    host.services_needing_restart,
    host.reachable,
    host.last_error,
    host.collected_at,
    host.retired_at
FROM campaign_host
INNER JOIN host ON campaign_host.host_id = host.host_id
WHERE campaign_host.campaign_id = %(campaign_id)s
ORDER BY
    array_position(ARRAY['staging', 'canary', 'ring_1', 'ring_2', 'ring_3'], campaign_host.ring),
    campaign_host.host_id
