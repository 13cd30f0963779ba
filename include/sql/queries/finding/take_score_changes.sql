-- The marks of what has to be scored again. also_hosts FALSE: those of hosts stay.
WITH taken AS (
    DELETE FROM score_change
    WHERE %(also_hosts)s OR advisory_id IS NOT NULL
    RETURNING
        advisory_id,
        host_id
)

SELECT DISTINCT
    advisory_id,
    host_id
FROM taken
