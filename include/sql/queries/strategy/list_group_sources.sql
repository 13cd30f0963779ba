-- Which source packages the production hosts of an asset group run, on how many of them, and for which release.
SELECT
    host.asset_group,
    host.os_codename,
    host_package.source_package,
    count(DISTINCT host.host_id)::integer AS hosts
FROM host
INNER JOIN host_package ON host.host_id = host_package.host_id
WHERE
    host.retired_at IS NULL
    AND host.environment = 'production'
    AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
    AND (%(asset_group)s::text IS NULL OR host.asset_group = %(asset_group)s)
GROUP BY host.asset_group, host.os_codename, host_package.source_package
ORDER BY host.asset_group, host.os_codename, host_package.source_package
