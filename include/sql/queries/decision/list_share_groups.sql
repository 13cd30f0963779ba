-- The distinct (advisory, kind of asset) pairs that are new in the chunk that is being matched.
SELECT DISTINCT
    found.advisory_id,
    work_kind.asset_group,
    work_kind.criticality,
    work_kind.exposure,
    coalesce(advisory.published_at, advisory.first_seen_at) AS released_at
FROM work_place
INNER JOIN work_found AS found ON work_place.situation_id = found.situation_id
INNER JOIN work_kind ON work_place.kind_id = work_kind.kind_id
INNER JOIN advisory ON found.advisory_id = advisory.advisory_id
WHERE work_place.chunk = %(chunk)s
