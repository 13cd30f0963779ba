-- What each host of a chunk has of each affected source package: its situation. Hosts of one image share it, so what a
-- situation comes to is found out once a run, not once a host.
WITH held AS MATERIALIZED (
    SELECT
        work_scope.host_id,
        work_scope.kind_id,
        installed.ecosystem,
        installed.os_codename,
        installed.source_package,
        coalesce(host.kernel_running <> host.kernel_installed, FALSE) AS runs_another_kernel,
        array_agg(installed.package ORDER BY installed.package, installed.source_version) AS packages,
        array_agg(installed.source_version ORDER BY installed.package, installed.source_version) AS versions,
        array_agg(
            CASE WHEN installed.held THEN 1 ELSE 0 END
            + CASE WHEN substr(installed.dpkg_status, 2, 1) IN ('U', 'F', 'H') THEN 2 ELSE 0 END
            + CASE WHEN installed.runs_only THEN 4 ELSE 0 END
            + CASE WHEN host.facts -> 'stale_packages' ? installed.package THEN 8 ELSE 0 END
            ORDER BY installed.package, installed.source_version
        ) AS standings
    FROM work_scope
    INNER JOIN installed_component AS installed ON work_scope.host_id = installed.host_id
    INNER JOIN host ON work_scope.host_id = host.host_id
    WHERE
        work_scope.chunk = %(chunk)s
        AND (installed.source_package, installed.source_version, installed.os_codename, installed.ecosystem) IN (
            SELECT
                work_pair.source_package,
                work_pair.source_version,
                work_pair.os_codename,
                work_pair.ecosystem
            FROM work_pair
        )
    GROUP BY
        work_scope.host_id, work_scope.kind_id, installed.ecosystem, installed.os_codename, installed.source_package,
        runs_another_kernel
),

fresh AS (
    INSERT INTO work_situation (
        situation_id, ecosystem, os_codename, source_package, packages, versions, standings, runs_another_kernel
    )
    SELECT
        %(known)s::integer + row_number() OVER () AS situation_id,
        seen.*
    FROM (
        SELECT
            ecosystem,
            os_codename,
            source_package,
            packages,
            versions,
            standings,
            runs_another_kernel
        FROM held
        EXCEPT
        SELECT
            ecosystem,
            os_codename,
            source_package,
            packages,
            versions,
            standings,
            runs_another_kernel
        FROM work_situation
    ) AS seen
    RETURNING *
),

situation AS (
    SELECT * FROM work_situation
    UNION ALL
    SELECT * FROM fresh
)

INSERT INTO work_held (host_id, kind_id, situation_id)
SELECT
    held.host_id,
    held.kind_id,
    situation.situation_id
FROM held
INNER JOIN situation
    ON
        held.source_package = situation.source_package
        AND held.versions = situation.versions
        AND held.packages = situation.packages
        AND held.standings = situation.standings
        AND held.ecosystem = situation.ecosystem
        AND held.os_codename = situation.os_codename
        AND held.runs_another_kernel = situation.runs_another_kernel
ORDER BY held.host_id
