-- The marks of advisories that have to be scored again: of what deciding superseded.
WITH taken AS (
    DELETE FROM score_change
    WHERE advisory_id IS NOT NULL
    RETURNING advisory_id
)

SELECT DISTINCT advisory_id FROM taken
