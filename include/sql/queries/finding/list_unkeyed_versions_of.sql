-- Versions without a sort key among some hosts' packages and some advisories.
SELECT seen.version
FROM (
    SELECT source_version AS version FROM host_package
    WHERE host_id = any(%(host_ids)s::text[])
    UNION
    SELECT fixed_version AS version FROM advisory
    WHERE advisory_id = any(%(advisory_ids)s::text[])
) AS seen
LEFT JOIN debian_version ON seen.version = debian_version.version
WHERE debian_version.version IS NULL
ORDER BY seen.version
