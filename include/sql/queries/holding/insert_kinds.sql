-- Kinds of asset that no host was of before.
INSERT INTO asset_kind (asset_group, criticality, exposure)
SELECT DISTINCT
    host.asset_group,
    host.criticality,
    host.exposure
FROM host
WHERE
    host.host_id = any(%(host_ids)s::text[])
    AND NOT EXISTS (
        SELECT 1 FROM asset_kind
        WHERE
            asset_kind.asset_group = host.asset_group
            AND asset_kind.criticality = host.criticality
            AND asset_kind.exposure = host.exposure
    )
