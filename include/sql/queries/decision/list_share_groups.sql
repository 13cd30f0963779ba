-- The distinct (advisory, kind of asset) pairs that are being matched.
SELECT DISTINCT
    found.advisory_id,
    asset_kind.asset_group,
    asset_kind.criticality,
    asset_kind.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM work_place
INNER JOIN work_found AS found ON work_place.holding_id = found.holding_id
INNER JOIN asset_kind ON work_place.kind_id = asset_kind.kind_id
INNER JOIN advisory ON found.advisory_id = advisory.advisory_id
