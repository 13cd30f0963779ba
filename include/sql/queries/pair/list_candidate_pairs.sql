-- Which installed versions lie in which advisory's ranges: every distinct version once, compared by its key. Maven's
-- versions have no key, and lists of versions hold spellings: those come along, and are compared by the caller.
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
)

SELECT
    installed.ecosystem,
    installed.source_package,
    installed.source_version,
    installed.os_codename,
    installed.os_id,
    array_agg(DISTINCT span.advisory_id ORDER BY span.advisory_id) AS advisory_ids
FROM work_installed AS installed
INNER JOIN span
    ON
        installed.ecosystem = span.ecosystem
        AND installed.source_package = span.package
        AND span.codename IN ('', installed.os_codename)
INNER JOIN known_version AS present
    ON installed.ecosystem = present.ecosystem AND installed.source_version = present.version
LEFT JOIN known_version AS introduced
    ON span.ecosystem = introduced.ecosystem AND span.introduced = introduced.version
LEFT JOIN known_version AS fixed ON span.ecosystem = fixed.ecosystem AND span.fixed = fixed.version
LEFT JOIN known_version AS last_affected
    ON span.ecosystem = last_affected.ecosystem AND span.last_affected = last_affected.version
LEFT JOIN known_version AS limit_before
    ON span.ecosystem = limit_before.ecosystem AND span.limit_before = limit_before.version
WHERE
    present.error IS NULL
    AND (
        span.kind = 'versions'
        OR installed.ecosystem = 'maven'
        OR (
            (span.introduced IS NULL OR introduced.sort_key <= present.sort_key)
            AND (span.fixed IS NULL OR present.sort_key < fixed.sort_key)
            AND (span.last_affected IS NULL OR present.sort_key <= last_affected.sort_key)
            AND (span.limit_before IS NULL OR present.sort_key < limit_before.sort_key)
        )
    )
GROUP BY
    installed.ecosystem,
    installed.source_package,
    installed.source_version,
    installed.os_codename,
    installed.os_id
ORDER BY installed.ecosystem, installed.source_package, installed.source_version, installed.os_codename
