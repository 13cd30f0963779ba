INSERT INTO risk_summary (
    asset_group, priority, status, is_unscored, deadline_hour, findings, oldest_at, next_deadline, summed_at
)
SELECT
    host.asset_group,
    finding.priority,
    finding.status,
    finding.score IS NULL AS is_unscored,
    date_trunc('hour', finding.deadline) AS deadline_hour,
    count(*) AS findings,
    min(coalesce(finding.reopened_at, finding.first_seen_at)) AS oldest_at,
    min(finding.deadline) AS next_deadline,
    %(now)s::timestamptz AS summed_at
FROM finding
INNER JOIN host ON finding.host_id = host.host_id
WHERE finding.status IN ('open', 'accepted') AND host.retired_at IS NULL
GROUP BY host.asset_group, finding.priority, finding.status, is_unscored, deadline_hour
