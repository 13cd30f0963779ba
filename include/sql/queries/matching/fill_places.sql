-- Situations on kinds of assets that no chunk before had.
INSERT INTO work_place (situation_id, kind_id, chunk)
SELECT
    seen.situation_id,
    seen.kind_id,
    %(chunk)s::integer AS chunk
FROM (
    SELECT
        situation_id,
        kind_id
    FROM work_held
    EXCEPT
    SELECT
        situation_id,
        kind_id
    FROM work_place
) AS seen
