-- The binary packages of these advisories that are installed on these hosts, in the version that the advisory gives.
SELECT DISTINCT
    advisory_package.package,
    advisory_package.architecture,
    advisory_package.version,
    advisory.source_package,
    advisory.fixed_version AS source_version,
    advisory.advisory_id
FROM host_package
INNER JOIN advisory ON host_package.source_package = advisory.source_package
INNER JOIN advisory_package
    ON
        advisory.advisory_id = advisory_package.advisory_id
        AND host_package.package = advisory_package.package
        AND (
            host_package.architecture = advisory_package.architecture
            OR 'all' IN (host_package.architecture, advisory_package.architecture)
        )
WHERE
    host_package.host_id = any(%(host_ids)s)
    AND advisory.advisory_id = any(%(advisory_ids)s)
    AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
    AND NOT host_package.held
ORDER BY advisory_package.package, advisory_package.architecture
