SELECT
    advisory_id,
    asset_group,
    criticality,
    exposure,
    grounds_digest
FROM decision
WHERE superseded_at IS NULL
