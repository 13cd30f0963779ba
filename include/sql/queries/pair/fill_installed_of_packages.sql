-- As fill_installed, of some packages. packages: 'ecosystem/package'; names: the same without the ecosystem, for the
-- index.
INSERT INTO work_installed (ecosystem, source_package, source_version, os_codename, os_id)
SELECT DISTINCT
    ecosystem,
    source_package,
    unnest(versions) AS source_version,
    os_codename,
    os_id
FROM holding
WHERE source_package = any(%(names)s::text[]) AND ecosystem || '/' || source_package = any(%(packages)s::text[])
