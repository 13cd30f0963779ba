-- What the hosts of a chunk have of each source package, brought together where they have it alike, as holdings; those
-- that no host had before are made.
WITH alike AS MATERIALIZED (
    SELECT
        own.*,
        array_agg(marked.host_no) AS host_nos
    FROM work_marked AS marked
    CROSS JOIN LATERAL (
        SELECT
            installed.source_package,
            installed.ecosystem,
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
        GROUP BY installed.source_package, installed.ecosystem, installed.os_codename, installed.os_id
    ) AS own
    WHERE marked.chunk = %(chunk)s AND marked.kind_id IS NOT NULL
    GROUP BY
        own.source_package,
        own.versions,
        own.packages,
        own.standings,
        own.ecosystem,
        own.os_codename,
        own.os_id,
        own.runs_another_kernel
),

known AS MATERIALIZED (
    SELECT
        alike.*,
        holding.holding_id IS NULL AS is_new,
        coalesce(holding.holding_id, nextval(pg_get_serial_sequence('holding', 'holding_id'))) AS holding_id
    FROM alike
    LEFT JOIN holding
        ON
            alike.source_package = holding.source_package
            AND alike.versions = holding.versions
            AND alike.packages = holding.packages
            AND alike.standings = holding.standings
            AND alike.ecosystem = holding.ecosystem
            AND alike.os_codename = holding.os_codename
            AND alike.os_id = holding.os_id
            AND alike.runs_another_kernel = holding.runs_another_kernel
),

fresh AS (
    INSERT INTO holding (
        holding_id, ecosystem, source_package, os_codename, os_id, packages, versions, standings, runs_another_kernel
    )
    SELECT
        holding_id,
        ecosystem,
        source_package,
        os_codename,
        os_id,
        packages,
        versions,
        standings,
        runs_another_kernel
    FROM known
    WHERE is_new
),

numbered AS (
    SELECT
        holding_id::integer AS holding_id,
        unnest(host_nos) AS host_no
    FROM known
),

listed AS (
    SELECT
        host_no,
        array_agg(holding_id ORDER BY holding_id) AS holding_ids
    FROM numbered
    GROUP BY host_no
)

INSERT INTO work_holding (host_no, kind_id, holding_ids)
SELECT
    marked.host_no,
    marked.kind_id,
    coalesce(listed.holding_ids, '{}') AS holding_ids
FROM work_marked AS marked
LEFT JOIN listed ON marked.host_no = listed.host_no
WHERE marked.chunk = %(chunk)s AND marked.kind_id IS NOT NULL
