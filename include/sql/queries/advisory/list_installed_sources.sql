-- Source packages installed on hosts of a release (or of any, where codename is NULL), with every version of them.
SELECT
    host_package.source_package,
    array_agg(DISTINCT host_package.source_version) AS versions
FROM host_package
INNER JOIN host ON host_package.host_id = host.host_id
WHERE
    host.retired_at IS NULL
    AND (%(codename)s::text IS NULL OR host.os_codename = %(codename)s)
    AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
GROUP BY host_package.source_package
ORDER BY host_package.source_package
