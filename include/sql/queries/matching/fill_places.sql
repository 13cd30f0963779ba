-- The kinds of asset on which hosts have what was found.
INSERT INTO work_place (holding_id, kind_id)
SELECT DISTINCT
    holding_id,
    kind_id
FROM holding_group
WHERE holding_id IN (SELECT work_found.holding_id FROM work_found)
