-- As fill_pairs and fill_affected, for these advisories, which are the scope.
WITH scope AS (
    INSERT INTO work_advisory (advisory_id)
    SELECT advisory.advisory_id FROM advisory
    WHERE advisory.advisory_id = any(%(advisory_ids)s::text[])
    RETURNING advisory_id
),

found AS MATERIALIZED (
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
            AS version_no
    FROM advisory_pair AS pair
    INNER JOIN known_version AS present
        ON pair.ecosystem = present.ecosystem AND pair.source_version = present.version
    WHERE
        pair.status = 'affected'
        AND pair.advisory_id IN (SELECT scope.advisory_id FROM scope)
),

affected AS (
    INSERT INTO work_affected (ecosystem, source_package, source_version, os_codename, version_no)
    SELECT DISTINCT
        found.ecosystem,
        found.source_package,
        found.source_version,
        found.os_codename,
        found.version_no
    FROM found
)

INSERT INTO work_pair (
    advisory_id, ecosystem, source_package, source_version, os_codename, fixed_version, sort_key, same_as, version_no
)
SELECT
    advisory_id,
    ecosystem,
    source_package,
    source_version,
    os_codename,
    fixed_version,
    sort_key,
    same_as,
    version_no
FROM found
