-- As fill_pairs, for the advisories in work_advisory.
INSERT INTO work_pair (
    advisory_id, ecosystem, source_package, source_version, os_codename, fixed_version, sort_key, same_as, version_no
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
        AS version_no
FROM advisory_pair AS pair
INNER JOIN known_version AS present
    ON pair.ecosystem = present.ecosystem AND pair.source_version = present.version
WHERE
    pair.status = 'affected'
    AND pair.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory)
