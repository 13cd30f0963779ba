-- Hosts of a staging group on which any of these source packages is installed.
SELECT DISTINCT host.host_id
FROM host
INNER JOIN host_package ON host.host_id = host_package.host_id
WHERE
    host.asset_group = %(asset_group)s
    AND host.environment = 'staging'
    AND host.retired_at IS NULL
    AND host_package.source_package = any(%(source_packages)s)
    AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
ORDER BY host.host_id
