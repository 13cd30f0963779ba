-- As fill_pairs, for what the hosts in the scope have.
INSERT INTO work_pair (
    advisory_id, ecosystem, source_package, source_version, os_codename, fixed_version, sort_key, same_as, version_no,
    source_no
)
SELECT
    pair.advisory_id,
    pair.ecosystem,
    pair.source_package,
    pair.source_version,
    pair.os_codename,
    pair.fixed_version,
    present.sort_key,
    pair.grounds -> 'same_as' AS same_as,
    dense_rank() OVER (ORDER BY pair.ecosystem, pair.source_package, pair.os_codename, pair.source_version)
        AS version_no,
    dense_rank() OVER (ORDER BY pair.ecosystem, pair.source_package, pair.os_codename) AS source_no
FROM advisory_pair AS pair
INNER JOIN known_version AS present
    ON pair.ecosystem = present.ecosystem AND pair.source_version = present.version
WHERE
    pair.status = 'affected'
    AND (pair.ecosystem, pair.source_package, pair.source_version, pair.os_codename) IN (
        SELECT
            installed.ecosystem,
            installed.source_package,
            installed.source_version,
            installed.os_codename
        FROM work_scope
        CROSS JOIN LATERAL (
            SELECT component.*
            FROM installed_component AS component
            WHERE component.host_id = work_scope.host_id
            ORDER BY component.host_id OFFSET 0 -- host by host along the key
        ) AS installed
    )
