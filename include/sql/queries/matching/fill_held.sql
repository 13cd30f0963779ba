-- What each host of a chunk has of each affected source package: its situation. Hosts of one image share it, so what a
-- situation comes to is found out once a run, not once a host.
WITH held AS MATERIALIZED (
    SELECT
        work_scope.host_no,
        work_scope.kind_id,
        work_affected.source_no,
        work_scope.runs_another_kernel,
        array_agg(installed.package ORDER BY installed.package, work_affected.version_no) AS packages,
        array_agg(work_affected.version_no ORDER BY installed.package, work_affected.version_no) AS version_nos,
        array_agg(
            CASE WHEN installed.held THEN 1 ELSE 0 END
            + CASE WHEN substr(installed.dpkg_status, 2, 1) IN ('U', 'F', 'H') THEN 2 ELSE 0 END
            + CASE WHEN installed.runs_only THEN 4 ELSE 0 END
            + CASE WHEN work_scope.stale_packages ? installed.package THEN 8 ELSE 0 END
            ORDER BY installed.package, work_affected.version_no
        ) AS standings
    FROM work_scope
    CROSS JOIN LATERAL (
        SELECT component.*
        FROM installed_component AS component
        WHERE component.host_id = work_scope.host_id
        -- Host by host along the key: joined as a whole, each chunk read the packages of the whole fleet.
        ORDER BY component.host_id OFFSET 0
    ) AS installed
    INNER JOIN work_affected
        ON
            installed.source_package = work_affected.source_package
            AND installed.source_version = work_affected.source_version
            AND installed.os_codename = work_affected.os_codename
            AND installed.ecosystem = work_affected.ecosystem
    WHERE work_scope.chunk = %(chunk)s
    GROUP BY work_scope.host_no, work_scope.kind_id, work_affected.source_no, work_scope.runs_another_kernel
),

fresh AS (
    INSERT INTO work_situation (situation_id, source_no, packages, version_nos, standings, runs_another_kernel)
    SELECT
        %(known)s::integer + row_number() OVER () AS situation_id,
        seen.*
    FROM (
        SELECT
            source_no,
            packages,
            version_nos,
            standings,
            runs_another_kernel
        FROM held
        EXCEPT
        SELECT
            source_no,
            packages,
            version_nos,
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

INSERT INTO work_held (host_no, kind_id, situation_id)
SELECT
    held.host_no,
    held.kind_id,
    situation.situation_id
FROM held
INNER JOIN situation
    ON
        held.source_no = situation.source_no
        AND held.version_nos = situation.version_nos
        AND held.packages = situation.packages
        AND held.standings = situation.standings
        AND held.runs_another_kernel = situation.runs_another_kernel
