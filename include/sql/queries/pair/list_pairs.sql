-- The decided pairs. packages: NULL for all, or 'ecosystem/package' of those to look at.
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
WHERE %(packages)s::text[] IS NULL OR ecosystem || '/' || source_package = any(%(packages)s)
ORDER BY ecosystem, source_package, source_version, os_codename, advisory_id
