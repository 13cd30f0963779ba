-- What holdings come to: one row an advisory. of_hosts: of those that hosts in the scope have.
WITH part AS MATERIALIZED (
    SELECT
        holding.holding_id,
        holding.runs_another_kernel,
        installed.package,
        installed.standing,
        work_affected.version_no
    FROM holding
    CROSS JOIN LATERAL
        unnest(holding.packages, holding.versions, holding.standings) AS installed (package, version, standing)
    INNER JOIN work_affected
        ON
            holding.source_package = work_affected.source_package
            AND installed.version = work_affected.source_version
            AND holding.os_codename = work_affected.os_codename
            AND holding.ecosystem = work_affected.ecosystem
    WHERE
        holding.source_package IN (SELECT named.source_package FROM work_affected AS named)
        AND (
            NOT %(of_hosts)s
            OR holding.holding_id IN (
                SELECT unnest(host_holding.holding_ids)
                FROM work_scope
                INNER JOIN host_holding ON work_scope.host_no = host_holding.host_no
            )
        )
)

INSERT INTO work_found (
    holding_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages, conditions
)
SELECT
    part.holding_id,
    work_pair.advisory_id,
    work_pair.ecosystem,
    work_pair.source_package,
    (array_agg(work_pair.source_version ORDER BY work_pair.sort_key, work_pair.source_version))[1] AS installed_version,
    (array_agg(work_pair.fixed_version ORDER BY work_pair.sort_key DESC, work_pair.source_version DESC))[1]
        AS fixed_version,
    array_agg(DISTINCT part.package ORDER BY part.package) AS packages,
    array_remove(
        ARRAY[
            CASE WHEN bool_or(part.standing & 1 > 0) THEN 'held' END,
            CASE WHEN bool_or(part.standing & 2 > 0) THEN 'half_configured' END,
            CASE WHEN bool_or(phased.phased_percentage < 100) THEN 'phased' END,
            CASE
                WHEN
                    bool_and(part.standing & 4 > 0)
                    OR (bool_or(part.standing & 4 > 0) AND bool_or(part.runs_another_kernel))
                    THEN 'reboot_pending'
            END,
            CASE WHEN bool_or(part.standing & 8 > 0) THEN 'service_restart_pending' END
        ],
        NULL
    ) AS conditions
FROM part
INNER JOIN work_pair ON part.version_no = work_pair.version_no
LEFT JOIN advisory_package AS phased
    ON work_pair.advisory_id = phased.advisory_id AND part.package = phased.package
GROUP BY part.holding_id, work_pair.advisory_id, work_pair.ecosystem, work_pair.source_package
