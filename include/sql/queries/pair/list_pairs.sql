-- The decided pairs. packages: NULL for all, or 'ecosystem/package' of those to look at; ecosystems, names: the
-- parts of these, for the index.
SELECT
    advisory_id,
    ecosystem,
    source_package,
    source_version,
    os_codename,
    fixed_version,
    status,
    grounds
FROM advisory_pair
WHERE
    %(packages)s::text[] IS NULL
    OR (
        ecosystem = any(%(ecosystems)s::text[])
        AND source_package = any(%(names)s::text[])
        AND ecosystem || '/' || source_package = any(%(packages)s::text[])
    )
ORDER BY ecosystem, source_package, source_version, os_codename, advisory_id
