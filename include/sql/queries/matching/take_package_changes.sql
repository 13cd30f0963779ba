WITH taken AS (
    DELETE FROM package_change
    RETURNING package
)

SELECT DISTINCT package FROM taken
