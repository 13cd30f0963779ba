WITH taken AS (
    DELETE FROM advisory_change
    RETURNING advisory_id
)

SELECT DISTINCT advisory_id FROM taken
