SELECT seen.version
FROM (
    SELECT source_version AS version FROM host_package
    UNION
    SELECT fixed_version AS version FROM advisory
    WHERE ecosystem = 'deb' AND fixed_version IS NOT NULL
) AS seen
LEFT JOIN debian_version ON seen.version = debian_version.version
WHERE debian_version.version IS NULL
ORDER BY seen.version
