SELECT
    source_package,
    source_version,
    asset_group,
    campaign_id,
    reason,
    retired_at
FROM retired_version
WHERE asset_group IN ('*', %(asset_group)s) OR %(asset_group)s = '*'
ORDER BY source_package, source_version, asset_group
