-- Versions that hosts have and that no order can read: they match nothing, and that is not the same as safe.
SELECT
    installed_component.ecosystem,
    known_version.version,
    known_version.error,
    count(DISTINCT installed_component.host_id) AS hosts
FROM known_version
INNER JOIN installed_component
    ON
        known_version.ecosystem = installed_component.ecosystem
        AND known_version.version = installed_component.source_version
WHERE known_version.error IS NOT NULL
GROUP BY installed_component.ecosystem, known_version.version, known_version.error
ORDER BY known_version.version
