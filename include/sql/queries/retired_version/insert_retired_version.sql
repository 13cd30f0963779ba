INSERT INTO retired_version (source_package, source_version, asset_group, campaign_id, reason, retired_at)
VALUES (%(source_package)s, %(source_version)s, %(asset_group)s, %(campaign_id)s, %(reason)s, %(retired_at)s)
ON CONFLICT (source_package, source_version, asset_group) DO NOTHING
