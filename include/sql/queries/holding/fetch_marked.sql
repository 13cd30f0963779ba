-- Whether any host's holdings have to be found out anew.
WITH marked AS (
    SELECT change_id FROM holding_change
    ORDER BY change_id
    LIMIT 1
)

SELECT count(*) > 0 AS is_marked FROM marked
