SELECT
    host_id,
    package
FROM host_package
WHERE host_id = any(%(host_ids)s) AND source_package = any(%(source_packages)s) AND held
ORDER BY host_id, package
