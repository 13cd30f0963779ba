DELETE FROM host_package
WHERE host_id = %(host_id)s
