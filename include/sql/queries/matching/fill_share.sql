-- Fan the decided pairs out to the hosts of one chunk. What a host has of a source package (packages, their versions
-- and standing) is a situation; hosts of one image share it, so each is resolved once, and the arrays that a finding
-- carries are made once a situation, not once a finding.
INSERT INTO work_share (
    host_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages, conditions
)
WITH held AS MATERIALIZED (
    SELECT
        installed.host_id,
        installed.ecosystem,
        installed.os_codename,
        installed.source_package,
        host.kernel_running <> host.kernel_installed AS runs_another_kernel,
        array_agg(
            ARRAY[
                installed.package,
                installed.source_version,
                CASE WHEN installed.held THEN 'held' ELSE '' END,
                CASE WHEN substr(installed.dpkg_status, 2, 1) IN ('U', 'F', 'H') THEN 'half' ELSE '' END,
                CASE WHEN installed.runs_only THEN 'runs' ELSE '' END,
                CASE
                    WHEN coalesce(host.facts -> 'stale_packages', '[]'::jsonb) ? installed.package THEN 'stale'
                    ELSE ''
                END
            ]
            ORDER BY installed.package, installed.source_version
        ) AS parts
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
        installed.host_id, installed.ecosystem, installed.os_codename, installed.source_package, runs_another_kernel
),

situation AS MATERIALIZED (
    SELECT
        ecosystem,
        os_codename,
        source_package,
        runs_another_kernel,
        parts,
        row_number() OVER () AS situation_id
    FROM (
        SELECT DISTINCT
            ecosystem,
            os_codename,
            source_package,
            runs_another_kernel,
            parts
        FROM held
    ) AS seen
),

resolved AS MATERIALIZED (
    SELECT
        situation.situation_id,
        work_pair.advisory_id,
        (array_agg(work_pair.fixed_version ORDER BY work_pair.sort_key DESC, work_pair.source_version DESC))[1]
            AS fixed_version,
        (array_agg(work_pair.source_version ORDER BY work_pair.sort_key, work_pair.source_version))[1]
            AS installed_version,
        array_agg(DISTINCT part.package ORDER BY part.package) AS packages,
        array_remove(
            ARRAY[
                CASE WHEN bool_or(part.is_held) THEN 'held' END,
                CASE WHEN bool_or(part.is_half) THEN 'half_configured' END,
                CASE WHEN bool_or(phased.phased_percentage < 100) THEN 'phased' END,
                CASE
                    WHEN
                        bool_and(part.runs_only)
                        OR (bool_or(part.runs_only) AND bool_or(situation.runs_another_kernel))
                        THEN 'reboot_pending'
                END,
                CASE WHEN bool_or(part.is_stale) THEN 'service_restart_pending' END
            ],
            NULL
        ) AS conditions
    FROM situation
    CROSS JOIN LATERAL (
        SELECT
            situation.parts[place][1] AS package,
            situation.parts[place][2] AS version,
            situation.parts[place][3] = 'held' AS is_held,
            situation.parts[place][4] = 'half' AS is_half,
            situation.parts[place][5] = 'runs' AS runs_only,
            situation.parts[place][6] = 'stale' AS is_stale
        FROM generate_series(1, array_length(situation.parts, 1)) AS place
    ) AS part
    INNER JOIN work_pair
        ON
            situation.ecosystem = work_pair.ecosystem
            AND situation.source_package = work_pair.source_package
            AND part.version = work_pair.source_version
            AND situation.os_codename = work_pair.os_codename
    LEFT JOIN advisory_package AS phased
        ON work_pair.advisory_id = phased.advisory_id AND part.package = phased.package
    GROUP BY situation.situation_id, work_pair.advisory_id
)

SELECT
    held.host_id,
    resolved.advisory_id,
    held.ecosystem,
    held.source_package,
    resolved.installed_version,
    resolved.fixed_version,
    resolved.packages,
    resolved.conditions
FROM held
INNER JOIN situation
    ON
        held.source_package = situation.source_package
        AND held.ecosystem = situation.ecosystem
        AND held.os_codename = situation.os_codename
        AND held.parts = situation.parts
        AND held.runs_another_kernel IS NOT DISTINCT FROM situation.runs_another_kernel
INNER JOIN resolved ON situation.situation_id = resolved.situation_id
