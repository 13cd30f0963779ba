SELECT
    host_id,
    asset_group,
    environment,
    criticality,
    exposure,
    inventory_groups,
    os_codename,
    architecture,
    kernel_running,
    kernel_installed,
    reboot_required,
    services_needing_restart,
    facts,
    reachable,
    last_error,
    collected_at
FROM host
WHERE retired_at IS NULL
ORDER BY host_id
