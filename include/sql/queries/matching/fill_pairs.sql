-- Distinct (source package, version, release) of the hosts in the scope, compared once with every live advisory.
-- Removed packages (config-files, not-installed) do not count.
INSERT INTO work_pair (advisory_id, source_package, source_version, os_codename, fixed_version, sort_key)
SELECT
    advisory.advisory_id,
    installed.source_package,
    installed.source_version,
    installed.os_codename,
    advisory.fixed_version,
    present.sort_key
FROM (
    SELECT DISTINCT
        host_package.source_package,
        host_package.source_version,
        work_scope.os_codename
    FROM work_scope
    INNER JOIN host_package ON work_scope.host_id = host_package.host_id
    WHERE substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
) AS installed
INNER JOIN advisory ON installed.source_package = advisory.source_package
INNER JOIN debian_version AS present ON installed.source_version = present.version
INNER JOIN debian_version AS fixed ON advisory.fixed_version = fixed.version
WHERE
    advisory.withdrawn_at IS NULL
    AND (advisory.codename IS NULL OR advisory.codename = installed.os_codename)
    AND present.sort_key < fixed.sort_key
