-- As fill_held, where only a few source packages are affected: read along the index by source
-- package, and whose they are found out first: joined on four columns, the planner makes one row of thousands.
WITH installed AS MATERIALIZED (
    SELECT
        component.*,
        scope.host_no,
        scope.kind_id,
        scope.runs_another_kernel,
        scope.stale_packages
    FROM installed_component AS component
    INNER JOIN work_scope AS scope ON component.host_id = scope.host_id
    WHERE
        scope.chunk = %(chunk)s
        AND component.source_package = any(array(SELECT DISTINCT named.source_package FROM work_affected AS named))
),

held AS MATERIALIZED (
    SELECT
        installed.host_no,
        installed.kind_id,
        work_affected.source_no,
        installed.runs_another_kernel,
        array_agg(installed.package ORDER BY installed.package, work_affected.version_no) AS packages,
        array_agg(work_affected.version_no ORDER BY installed.package, work_affected.version_no) AS version_nos,
        array_agg(
            CASE WHEN installed.held THEN 1 ELSE 0 END
            + CASE WHEN substr(installed.dpkg_status, 2, 1) IN ('U', 'F', 'H') THEN 2 ELSE 0 END
            + CASE WHEN installed.runs_only THEN 4 ELSE 0 END
            + CASE WHEN installed.stale_packages ? installed.package THEN 8 ELSE 0 END
            ORDER BY installed.package, work_affected.version_no
        ) AS standings
    FROM installed
    INNER JOIN work_affected
        ON
            installed.source_package = work_affected.source_package
            AND installed.source_version = work_affected.source_version
            AND installed.os_codename = work_affected.os_codename
            AND installed.ecosystem = work_affected.ecosystem
    GROUP BY installed.host_no, installed.kind_id, work_affected.source_no, installed.runs_another_kernel
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
