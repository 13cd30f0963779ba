-- Closed is what a host no longer shows, of the findings that stand. It is `fixed` when the host changed (the version
-- that was found is gone), `withdrawn` when only the advisories did. Nothing closes while a package of it is half
-- installed, or while the kernel that runs may be the old one: then it stays (kept), and its conditions say why.
-- All that this is about has rows of its own by now.
WITH unmatched AS (
    SELECT
        finding.finding_id,
        CASE
            WHEN EXISTS (
                SELECT 1
                FROM installed_component AS half
                WHERE
                    half.host_id = finding.host_id
                    AND half.ecosystem = finding.ecosystem
                    AND half.source_package = finding.source_package
                    AND substr(half.dpkg_status, 2, 1) IN ('U', 'F', 'H')
            ) THEN 'half_configured'
            WHEN
                (finding.source_package = 'linux' OR starts_with(finding.source_package, 'linux-'))
                AND host.kernel_running_version IS NULL
                AND host.kernel_installed IS NOT NULL
                AND coalesce(host.kernel_running, '') <> host.kernel_installed
                THEN 'reboot_pending'
        END AS held_open_by,
        finding.installed_version IN (
            SELECT still.source_version
            FROM installed_component AS still
            WHERE
                still.host_id = finding.host_id
                AND still.ecosystem = finding.ecosystem
                AND still.source_package = finding.source_package
        ) AS is_unchanged,
        advisory.withdrawn_at IS NOT NULL AS is_withdrawn
    FROM work_standing
    INNER JOIN own_finding AS finding ON work_standing.finding_id = finding.finding_id
    INNER JOIN advisory ON finding.advisory_id = advisory.advisory_id
    INNER JOIN host ON finding.host_id = host.host_id
    WHERE
        work_standing.is_live
        AND NOT EXISTS (
            SELECT 1
            FROM work_shown
            WHERE
                work_shown.host_no = work_standing.host_no
                AND work_shown.advisory_id = work_standing.advisory_id
        )
),

closed AS (
    UPDATE own_finding AS finding
    SET
        status = CASE
            WHEN unmatched.is_withdrawn OR unmatched.is_unchanged THEN 'withdrawn'
            WHEN unmatched.held_open_by IS NOT NULL THEN finding.status
            ELSE 'fixed'
        END,
        closed_at = CASE
            WHEN unmatched.is_withdrawn OR unmatched.is_unchanged OR unmatched.held_open_by IS NULL
                THEN %(now)s::timestamptz
        END,
        conditions = CASE
            WHEN unmatched.is_withdrawn OR unmatched.is_unchanged OR unmatched.held_open_by IS NULL THEN '{}'
            ELSE ARRAY[unmatched.held_open_by]
        END
    FROM unmatched
    WHERE
        finding.finding_id = unmatched.finding_id
        AND (
            unmatched.is_withdrawn
            OR unmatched.is_unchanged
            OR unmatched.held_open_by IS NULL
            OR finding.conditions <> ARRAY[unmatched.held_open_by]
        )
    RETURNING finding.status
)

SELECT
    count(*) FILTER (WHERE status = 'fixed') AS fixed,
    count(*) FILTER (WHERE status = 'withdrawn') AS withdrawn,
    count(*) FILTER (WHERE status NOT IN ('fixed', 'withdrawn')) AS kept
FROM closed
