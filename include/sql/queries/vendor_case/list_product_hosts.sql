-- Live hosts of a group with the binary packages of a source that are installed there.
SELECT
    host.host_id,
    host.environment,
    host_package.package,
    host_package.architecture,
    host_package.version,
    host_package.held
FROM host
INNER JOIN host_package ON host.host_id = host_package.host_id
WHERE
    host.asset_group = %(asset_group)s
    AND host.retired_at IS NULL
    AND host_package.source_package = %(source_package)s
    AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
ORDER BY host.host_id, host_package.package
