-- Closed is what a host that still counts no longer shows: the fix is installed, the package is gone, or the advisory
-- was withdrawn.
UPDATE finding
SET
    status = CASE WHEN advisory.withdrawn_at IS NULL THEN 'fixed' ELSE 'withdrawn' END,
    closed_at = %(now)s
FROM advisory, host
WHERE
    finding.advisory_id = advisory.advisory_id
    AND finding.host_id = host.host_id
    AND host.retired_at IS NULL
    AND finding.status IN ('open', 'accepted')
    AND NOT EXISTS (
        SELECT 1
        FROM vulnerable_host_source AS vulnerable
        WHERE vulnerable.host_id = finding.host_id AND vulnerable.advisory_id = finding.advisory_id
    )
RETURNING finding.host_id, finding.advisory_id, finding.status
