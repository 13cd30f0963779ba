-- The kinds of asset in the scope: a decision is for an advisory on one of them. host_ids NULL: of all hosts.
INSERT INTO work_kind (kind_id, asset_group, criticality, exposure)
SELECT
    row_number() OVER (ORDER BY asset_group, criticality, exposure) AS kind_id,
    asset_group,
    criticality,
    exposure
FROM host
WHERE retired_at IS NULL AND (%(host_ids)s::text[] IS NULL OR host_id = any(%(host_ids)s::text[]))
GROUP BY asset_group, criticality, exposure
