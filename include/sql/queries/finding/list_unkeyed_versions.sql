-- Versions without a key: all that hosts have (work_installed), what their advisories fix, and the bounds of their
-- ranges. names: of the packages asked for, for the index; NULL: all in work_installed.
WITH named AS MATERIALIZED (
    SELECT DISTINCT
        installed.ecosystem,
        installed.source_package
    FROM work_installed AS installed
),

bound AS (
    SELECT DISTINCT
        advisory_range.ecosystem,
        unnest(
            ARRAY[
                advisory_range.introduced, advisory_range.fixed, advisory_range.last_affected,
                advisory_range.limit_before
            ]
        ) AS version
    FROM named
    INNER JOIN advisory_range
        ON named.ecosystem = advisory_range.ecosystem AND named.source_package = advisory_range.package
)

SELECT
    seen.ecosystem,
    seen.version
FROM (
    SELECT
        installed.ecosystem,
        installed.source_version AS version
    FROM work_installed AS installed
    UNION
    SELECT
        bound.ecosystem,
        bound.version
    FROM bound
    UNION
    SELECT
        advisory.ecosystem,
        advisory.fixed_version AS version
    FROM named
    INNER JOIN advisory ON named.source_package = advisory.source_package AND named.ecosystem = advisory.ecosystem
    WHERE %(names)s::text[] IS NULL OR advisory.source_package = any(%(names)s::text[])
) AS seen
LEFT JOIN known_version ON seen.ecosystem = known_version.ecosystem AND seen.version = known_version.version
WHERE seen.version IS NOT NULL AND known_version.version IS NULL
ORDER BY seen.ecosystem, seen.version
