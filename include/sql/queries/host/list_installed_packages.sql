SELECT
    package,
    version
FROM host_package
WHERE host_id = %(host_id)s AND dpkg_status IN ('ii', 'hi')
