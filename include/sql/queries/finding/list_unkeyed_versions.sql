-- Versions without a key: all that hosts have, all that advisories fix, and the bounds of ranges of installed packages.
-- packages: NULL for all, or 'ecosystem/package' of those to look at; names: the same without the ecosystem.
WITH installed AS MATERIALIZED (
    SELECT DISTINCT
        ecosystem,
        source_package,
        source_version
    FROM installed_component
    WHERE
        %(packages)s::text[] IS NULL
        OR (
            source_package = any(%(names)s::text[])
            AND ecosystem || '/' || source_package = any(%(packages)s::text[])
        )
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
    FROM advisory_range
    WHERE
        (advisory_range.ecosystem, advisory_range.package) IN (
            SELECT
                installed.ecosystem,
                installed.source_package
            FROM installed
        )
)

SELECT
    seen.ecosystem,
    seen.version
FROM (
    SELECT
        installed.ecosystem,
        installed.source_version AS version
    FROM installed
    UNION
    SELECT
        'deb' AS ecosystem,
        host_package.source_version AS version
    FROM host_package
    WHERE %(packages)s::text[] IS NULL
    UNION
    SELECT
        bound.ecosystem,
        bound.version
    FROM bound
    UNION
    SELECT
        advisory.ecosystem,
        advisory.fixed_version AS version
    FROM advisory
    WHERE
        (advisory.ecosystem = 'deb' AND %(packages)s::text[] IS NULL)
        OR (advisory.ecosystem, advisory.source_package) IN (
            SELECT
                installed.ecosystem,
                installed.source_package
            FROM installed
        )
) AS seen
LEFT JOIN known_version ON seen.ecosystem = known_version.ecosystem AND seen.version = known_version.version
WHERE seen.version IS NOT NULL AND known_version.version IS NULL
ORDER BY seen.ecosystem, seen.version
