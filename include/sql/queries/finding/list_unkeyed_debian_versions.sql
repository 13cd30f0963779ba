-- Debian's versions without a key: of all packages that hosts have, also of those that were removed, and all that
-- advisories fix.
WITH RECURSIVE version_of AS (
    -- Read along the index from one distinct version to the next, instead of reading every package of every host.
    (
        SELECT
            source_package,
            source_version
        FROM host_package
        ORDER BY source_package, source_version
        LIMIT 1
    )
    UNION ALL
    SELECT
        following.source_package,
        following.source_version
    FROM version_of
    CROSS JOIN LATERAL (
        SELECT
            host_package.source_package,
            host_package.source_version
        FROM host_package
        WHERE
            (host_package.source_package, host_package.source_version)
            > (version_of.source_package, version_of.source_version)
        ORDER BY host_package.source_package, host_package.source_version
        LIMIT 1
    ) AS following
)

SELECT
    'deb' AS ecosystem,
    seen.version
FROM (
    SELECT version_of.source_version AS version FROM version_of
    UNION
    SELECT advisory.fixed_version AS version FROM advisory
    WHERE advisory.ecosystem = 'deb'
) AS seen
LEFT JOIN debian_version ON seen.version = debian_version.version
WHERE seen.version IS NOT NULL AND debian_version.version IS NULL
ORDER BY seen.version
