-- Advisories of a feed whose whole copy names them no more, while it names each of their vulnerabilities in the same
-- package and release under another fix: replaced, so withdrawn. One whose vulnerability is named nowhere else stays.
-- Joins instead of NOT IN: a list of 100,000 keys does not fit into work_mem, and would be walked once a row.
WITH said AS MATERIALIZED (
    SELECT key.advisory_id FROM jsonb_to_recordset(%(keys)s) AS key (advisory_id text)
),

gone AS MATERIALIZED (
    SELECT
        advisory.advisory_id,
        advisory.source,
        advisory.ecosystem,
        advisory.source_package,
        coalesce(advisory.codename, '') AS codename
    FROM advisory
    WHERE
        %(complete)s
        AND advisory.withdrawn_at IS NULL
        AND advisory.details ->> 'feed' = %(source)s
        AND NOT EXISTS (SELECT 1 FROM said WHERE said.advisory_id = advisory.advisory_id)
),

covered AS MATERIALIZED (
    SELECT DISTINCT
        other.source,
        other.ecosystem,
        other.source_package,
        coalesce(other.codename, '') AS codename,
        named.cve_id
    FROM said
    INNER JOIN advisory AS other ON said.advisory_id = other.advisory_id
    INNER JOIN advisory_cve AS named ON other.advisory_id = named.advisory_id
    WHERE other.withdrawn_at IS NULL AND other.source_package IN (SELECT gone.source_package FROM gone)
),

lost AS MATERIALIZED (
    SELECT gone.advisory_id
    FROM gone
    LEFT JOIN advisory_cve ON gone.advisory_id = advisory_cve.advisory_id
    LEFT JOIN covered
        ON
            gone.source = covered.source
            AND gone.ecosystem = covered.ecosystem
            AND gone.source_package = covered.source_package
            AND gone.codename = covered.codename
            AND advisory_cve.cve_id = covered.cve_id
    WHERE covered.cve_id IS NULL
)

UPDATE advisory SET withdrawn_at = %(now)s
FROM gone
WHERE
    advisory.advisory_id = gone.advisory_id
    AND NOT EXISTS (SELECT 1 FROM lost WHERE lost.advisory_id = advisory.advisory_id)
