-- Which installed versions lie in which advisory's ranges: every distinct version once, compared by its key. Maven's
-- versions have no key, and lists of versions hold spellings: those come along, and are compared by the caller. names:
-- of the packages asked for, for the index; NULL: all in work_installed.
WITH span AS MATERIALIZED (
    SELECT
        advisory_range.advisory_id,
        advisory_range.ecosystem,
        advisory_range.package,
        advisory_range.codename,
        advisory_range.kind,
        advisory_range.introduced,
        advisory_range.fixed,
        advisory_range.last_affected,
        advisory_range.limit_before
    FROM advisory_range
    INNER JOIN advisory ON advisory_range.advisory_id = advisory.advisory_id
    WHERE
        advisory.withdrawn_at IS NULL
        AND EXISTS (
            SELECT 1 FROM work_installed
            WHERE
                work_installed.ecosystem = advisory_range.ecosystem
                AND work_installed.source_package = advisory_range.package
        )
    UNION ALL
    SELECT
        advisory.advisory_id,
        advisory.ecosystem,
        advisory.source_package,
        coalesce(advisory.codename, '') AS codename,
        'range' AS kind,
        NULL AS introduced,
        advisory.fixed_version,
        NULL AS last_affected,
        NULL AS limit_before
    FROM advisory
    WHERE
        advisory.withdrawn_at IS NULL
        AND advisory.fixed_version IS NOT NULL
        AND (%(names)s::text[] IS NULL OR advisory.source_package = any(%(names)s::text[]))
        AND (advisory.ecosystem, advisory.source_package) IN (
            SELECT
                work_installed.ecosystem,
                work_installed.source_package
            FROM work_installed
        )
        AND NOT EXISTS (
            SELECT 1 FROM advisory_range
            WHERE advisory_range.advisory_id = advisory.advisory_id
        )
),

-- Keys before pairs: a range is named by few, and looked up once.
keyed AS MATERIALIZED (
    SELECT
        span.advisory_id,
        span.ecosystem,
        span.package,
        span.codename,
        span.kind,
        span.introduced IS NULL AS from_start,
        span.fixed IS NULL AS not_fixed,
        span.last_affected IS NULL AS no_last,
        span.limit_before IS NULL AS no_limit,
        introduced.sort_key AS introduced,
        fixed.sort_key AS fixed,
        last_affected.sort_key AS last_affected,
        limit_before.sort_key AS limit_before
    FROM span
    LEFT JOIN known_version AS introduced
        ON span.ecosystem = introduced.ecosystem AND span.introduced = introduced.version
    LEFT JOIN known_version AS fixed ON span.ecosystem = fixed.ecosystem AND span.fixed = fixed.version
    LEFT JOIN known_version AS last_affected
        ON span.ecosystem = last_affected.ecosystem AND span.last_affected = last_affected.version
    LEFT JOIN known_version AS limit_before
        ON span.ecosystem = limit_before.ecosystem AND span.limit_before = limit_before.version
),

present AS MATERIALIZED (
    SELECT
        work_installed.*,
        known_version.sort_key
    FROM work_installed
    INNER JOIN known_version
        ON
            work_installed.ecosystem = known_version.ecosystem
            AND work_installed.source_version = known_version.version
    WHERE known_version.error IS NULL
)

SELECT
    present.ecosystem,
    present.source_package,
    present.source_version,
    present.os_codename,
    present.os_id,
    array_agg(DISTINCT keyed.advisory_id ORDER BY keyed.advisory_id) AS advisory_ids
FROM present
INNER JOIN keyed
    ON
        present.ecosystem = keyed.ecosystem
        AND present.source_package = keyed.package
        AND keyed.codename IN ('', present.os_codename)
WHERE
    keyed.kind = 'versions'
    OR present.ecosystem = 'maven'
    OR (
        (keyed.from_start OR keyed.introduced <= present.sort_key)
        AND (keyed.not_fixed OR present.sort_key < keyed.fixed)
        AND (keyed.no_last OR present.sort_key <= keyed.last_affected)
        AND (keyed.no_limit OR present.sort_key < keyed.limit_before)
    )
GROUP BY
    present.ecosystem,
    present.source_package,
    present.source_version,
    present.os_codename,
    present.os_id
ORDER BY present.ecosystem, present.source_package, present.source_version, present.os_codename
