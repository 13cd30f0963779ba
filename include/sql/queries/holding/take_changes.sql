-- The marks, taken before anything is read: what comes in later leaves new ones.
WITH taken AS (
    DELETE FROM holding_change
    RETURNING host_id
)

SELECT DISTINCT host_id FROM taken
