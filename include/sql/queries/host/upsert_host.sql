INSERT INTO host (
    host_id, asset_group, environment, criticality, exposure, inventory_groups, os_id, os_codename, architecture,
    kernel_running, kernel_running_version, kernel_installed, reboot_required, services, services_needing_restart,
    facts, reachable, last_error, collected_at, retired_at
)
VALUES (
    %(host_id)s, %(asset_group)s, %(environment)s, %(criticality)s, %(exposure)s, %(inventory_groups)s,
    %(os_id)s, %(os_codename)s, %(architecture)s, %(kernel_running)s, %(kernel_running_version)s,
    %(kernel_installed)s, %(reboot_required)s, %(services)s,
    %(services_needing_restart)s, %(facts)s, TRUE, NULL, %(collected_at)s, NULL
)
ON CONFLICT (host_id) DO UPDATE SET
    asset_group = excluded.asset_group,
    environment = excluded.environment,
    criticality = excluded.criticality,
    exposure = excluded.exposure,
    inventory_groups = excluded.inventory_groups,
    os_id = excluded.os_id,
    os_codename = excluded.os_codename,
    architecture = excluded.architecture,
    kernel_running = excluded.kernel_running,
    kernel_running_version = excluded.kernel_running_version,
    kernel_installed = excluded.kernel_installed,
    reboot_required = excluded.reboot_required,
    services = excluded.services,
    services_needing_restart = excluded.services_needing_restart,
    facts = excluded.facts,
    reachable = TRUE,
    last_error = NULL,
    collected_at = excluded.collected_at,
    retired_at = NULL
