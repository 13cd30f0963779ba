-- As close_unmatched_findings, for the advisories in work_advisory only.
WITH closed AS (
    UPDATE finding
    SET
        status = CASE WHEN advisory.withdrawn_at IS NULL THEN 'fixed' ELSE 'withdrawn' END,
        closed_at = %(now)s
    FROM work_advisory, advisory, work_scope
    WHERE
        finding.advisory_id = work_advisory.advisory_id
        AND work_advisory.advisory_id = advisory.advisory_id
        AND finding.host_id = work_scope.host_id
        AND work_scope.chunk = %(chunk)s
        AND finding.status IN ('open', 'accepted')
        AND NOT EXISTS (
            SELECT 1
            FROM work_share
            WHERE work_share.host_id = finding.host_id AND work_share.advisory_id = finding.advisory_id
        )
    RETURNING finding.status
)

SELECT
    count(*) FILTER (WHERE status = 'fixed') AS fixed,
    count(*) FILTER (WHERE status = 'withdrawn') AS withdrawn
FROM closed
