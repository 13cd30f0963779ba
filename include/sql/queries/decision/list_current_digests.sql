-- What the current decisions of some advisories were made on.
SELECT
    advisory_id,
    asset_group,
    criticality,
    exposure,
    grounds_digest
FROM decision
WHERE superseded_at IS NULL AND advisory_id = any(%(advisory_ids)s::text[])
