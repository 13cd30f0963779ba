SELECT
    package,
    architecture,
    version,
    source_package,
    source_version,
    dpkg_status,
    held
FROM host_package
WHERE host_id = %(host_id)s
