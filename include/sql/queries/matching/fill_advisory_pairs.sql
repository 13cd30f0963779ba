-- As fill_pairs, for the advisories in work_advisory only.
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
    FROM host_package
    INNER JOIN work_scope ON host_package.host_id = work_scope.host_id
    WHERE
        host_package.source_package = any(
            ARRAY(
                SELECT advisory.source_package
                FROM advisory
                INNER JOIN work_advisory ON advisory.advisory_id = work_advisory.advisory_id
            )
        )
        AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
) AS installed
INNER JOIN advisory ON installed.source_package = advisory.source_package
INNER JOIN work_advisory ON advisory.advisory_id = work_advisory.advisory_id
INNER JOIN debian_version AS present ON installed.source_version = present.version
INNER JOIN debian_version AS fixed ON advisory.fixed_version = fixed.version
WHERE
    advisory.withdrawn_at IS NULL
    AND (advisory.codename IS NULL OR advisory.codename = installed.os_codename)
    AND present.sort_key < fixed.sort_key
