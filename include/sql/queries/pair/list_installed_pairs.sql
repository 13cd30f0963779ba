-- The decided pairs of the versions in work_installed.
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
    (ecosystem, source_package, source_version, os_codename) IN (
        SELECT
            work_installed.ecosystem,
            work_installed.source_package,
            work_installed.source_version,
            work_installed.os_codename
        FROM work_installed
    )
ORDER BY ecosystem, source_package, source_version, os_codename, advisory_id
