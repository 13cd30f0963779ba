WITH taken AS (
    DELETE FROM host_change
    RETURNING host_id
)

SELECT DISTINCT host_id FROM taken
