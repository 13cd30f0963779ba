-- What each host of a chunk has of each source package, as holdings; those that no host had before are made.
WITH held AS MATERIALIZED (
    SELECT
        marked.host_no,
        own.*
    FROM work_marked AS marked
    CROSS JOIN LATERAL (
        SELECT
            installed.ecosystem,
            installed.source_package,
            installed.os_codename,
            installed.os_id,
            bool_or(installed.runs_only) AND marked.runs_another_kernel AS runs_another_kernel,
            array_agg(
                installed.package ORDER BY installed.package, installed.source_version, installed.standing
            ) AS packages,
            array_agg(
                installed.source_version ORDER BY installed.package, installed.source_version, installed.standing
            ) AS versions,
            array_agg(
                installed.standing ORDER BY installed.package, installed.source_version, installed.standing
            ) AS standings
        FROM (
            SELECT
                component.*,
                CASE WHEN component.held THEN 1 ELSE 0 END
                + CASE WHEN substr(component.dpkg_status, 2, 1) IN ('U', 'F', 'H') THEN 2 ELSE 0 END
                + CASE WHEN component.runs_only THEN 4 ELSE 0 END
                + CASE WHEN marked.stale_packages ? component.package THEN 8 ELSE 0 END AS standing
            FROM installed_component AS component
            WHERE component.host_id = marked.host_id
            -- Host by host along the key: joined as a whole, each chunk read the packages of the whole fleet.
            ORDER BY component.host_id OFFSET 0
        ) AS installed
        GROUP BY installed.ecosystem, installed.source_package, installed.os_codename, installed.os_id
    ) AS own
    WHERE marked.chunk = %(chunk)s AND marked.kind_id IS NOT NULL
),

known AS MATERIALIZED (
    SELECT
        held.*,
        holding.holding_id
    FROM held
    LEFT JOIN holding
        ON
            held.source_package = holding.source_package
            AND held.versions = holding.versions
            AND held.packages = holding.packages
            AND held.standings = holding.standings
            AND held.ecosystem = holding.ecosystem
            AND held.os_codename = holding.os_codename
            AND held.os_id = holding.os_id
            AND held.runs_another_kernel = holding.runs_another_kernel
),

fresh AS (
    INSERT INTO holding (
        ecosystem, source_package, os_codename, os_id, packages, versions, standings, runs_another_kernel
    )
    SELECT DISTINCT
        ecosystem,
        source_package,
        os_codename,
        os_id,
        packages,
        versions,
        standings,
        runs_another_kernel
    FROM known
    WHERE holding_id IS NULL
    RETURNING *
),

numbered AS (
    SELECT
        host_no,
        holding_id
    FROM known
    WHERE holding_id IS NOT NULL
    UNION ALL
    SELECT
        known.host_no,
        fresh.holding_id
    FROM known
    INNER JOIN fresh
        ON
            known.source_package = fresh.source_package
            AND known.versions = fresh.versions
            AND known.packages = fresh.packages
            AND known.standings = fresh.standings
            AND known.ecosystem = fresh.ecosystem
            AND known.os_codename = fresh.os_codename
            AND known.os_id = fresh.os_id
            AND known.runs_another_kernel = fresh.runs_another_kernel
    WHERE known.holding_id IS NULL
)

INSERT INTO work_holding (host_no, kind_id, holding_ids)
SELECT
    marked.host_no,
    marked.kind_id,
    array_remove(array_agg(numbered.holding_id ORDER BY numbered.holding_id), NULL) AS holding_ids
FROM work_marked AS marked
LEFT JOIN numbered ON marked.host_no = numbered.host_no
WHERE marked.chunk = %(chunk)s AND marked.kind_id IS NOT NULL
GROUP BY marked.host_no, marked.kind_id
