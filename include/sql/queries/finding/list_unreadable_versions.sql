SELECT
    debian_version.version,
    debian_version.error,
    count(DISTINCT host_package.host_id) AS hosts
FROM debian_version
INNER JOIN host_package ON debian_version.version = host_package.source_version
WHERE debian_version.sort_key IS NULL
GROUP BY debian_version.version, debian_version.error
ORDER BY debian_version.version
