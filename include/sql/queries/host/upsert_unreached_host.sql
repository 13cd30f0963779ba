INSERT INTO host (host_id, asset_group, environment, criticality, exposure, inventory_groups, reachable, last_error)
VALUES (
    %(host_id)s, %(asset_group)s, %(environment)s, %(criticality)s, %(exposure)s, %(inventory_groups)s,
    FALSE, %(last_error)s
)
ON CONFLICT (host_id) DO UPDATE SET
    asset_group = excluded.asset_group,
    environment = excluded.environment,
    criticality = excluded.criticality,
    exposure = excluded.exposure,
    inventory_groups = excluded.inventory_groups,
    reachable = FALSE,
    last_error = excluded.last_error,
    retired_at = NULL
