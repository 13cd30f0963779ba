-- Fan the decided pairs out to the hosts of one chunk. What a host has of a source package (binary packages and their
-- source versions) is a situation; hosts of one image share it, so each is resolved once, and the arrays that a finding
-- carries are made once a situation, not once a finding.
INSERT INTO work_share (host_id, advisory_id, source_package, installed_version, fixed_version, packages)
WITH held AS MATERIALIZED (
    SELECT
        work_scope.host_id,
        work_scope.os_codename,
        host_package.source_package,
        array_agg(host_package.package ORDER BY host_package.package, host_package.source_version) AS packages,
        array_agg(host_package.source_version ORDER BY host_package.package, host_package.source_version) AS versions
    FROM work_scope
    INNER JOIN host_package ON work_scope.host_id = host_package.host_id
    WHERE
        work_scope.chunk = %(chunk)s
        AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
        AND (host_package.source_package, host_package.source_version, work_scope.os_codename) IN (
            SELECT
                work_pair.source_package,
                work_pair.source_version,
                work_pair.os_codename
            FROM work_pair
        )
    GROUP BY work_scope.host_id, work_scope.os_codename, host_package.source_package
),

situation AS MATERIALIZED (
    SELECT DISTINCT
        os_codename,
        source_package,
        packages,
        versions
    FROM held
),

resolved AS MATERIALIZED (
    SELECT
        situation.os_codename,
        situation.source_package,
        situation.packages,
        situation.versions,
        work_pair.advisory_id,
        work_pair.fixed_version,
        (array_agg(work_pair.source_version ORDER BY work_pair.sort_key, work_pair.source_version))[1]
            AS installed_version,
        array_agg(DISTINCT installed.package ORDER BY installed.package) AS affected_packages
    FROM situation
    CROSS JOIN LATERAL unnest(situation.packages, situation.versions) AS installed (package, version)
    INNER JOIN work_pair
        ON
            situation.source_package = work_pair.source_package
            AND installed.version = work_pair.source_version
            AND situation.os_codename = work_pair.os_codename
    GROUP BY
        situation.os_codename, situation.source_package, situation.packages, situation.versions, work_pair.advisory_id,
        work_pair.fixed_version
)

SELECT
    held.host_id,
    resolved.advisory_id,
    held.source_package,
    resolved.installed_version,
    resolved.fixed_version,
    resolved.affected_packages
FROM held
INNER JOIN resolved
    ON
        held.source_package = resolved.source_package
        AND held.os_codename = resolved.os_codename
        AND held.packages = resolved.packages
        AND held.versions = resolved.versions
