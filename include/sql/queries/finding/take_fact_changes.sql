-- The marks of CVEs and advisories whose facts changed; a row of neither: look at all.
WITH taken AS (
    DELETE FROM fact_change
    RETURNING
        cve_id,
        advisory_id
)

SELECT DISTINCT
    cve_id,
    advisory_id
FROM taken
