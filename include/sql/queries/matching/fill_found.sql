-- What the situations that are new since the last chunk come to: one row an advisory.
INSERT INTO work_found (
    situation_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages, conditions
)
SELECT
    situation.situation_id,
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
                    OR (bool_or(part.standing & 4 > 0) AND bool_or(situation.runs_another_kernel))
                    THEN 'reboot_pending'
            END,
            CASE WHEN bool_or(part.standing & 8 > 0) THEN 'service_restart_pending' END
        ],
        NULL
    ) AS conditions
FROM work_situation AS situation
CROSS JOIN
    LATERAL unnest(situation.packages, situation.version_nos, situation.standings)
        AS part (package, version_no, standing)
INNER JOIN work_pair ON part.version_no = work_pair.version_no
LEFT JOIN advisory_package AS phased
    ON work_pair.advisory_id = phased.advisory_id AND part.package = phased.package
WHERE situation.situation_id > %(known)s::integer
GROUP BY situation.situation_id, work_pair.advisory_id, work_pair.ecosystem, work_pair.source_package
