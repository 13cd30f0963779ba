SELECT
    ecosystem,
    name,
    version,
    source_name,
    source_version,
    location,
    collected_at
FROM host_component
WHERE host_id = %(host_id)s
ORDER BY ecosystem, name, version, location
