-- Open findings (and those that call themselves accepted while no acceptance that holds covers them) by priority and
-- age since they were first seen; the buckets are half-open, [from, to).
SELECT
    finding.priority,
    count(*) AS findings,
    count(DISTINCT finding.host_id) AS hosts,
    count(DISTINCT finding.advisory_id) AS advisories,
    count(*) FILTER (WHERE finding.first_seen_at > %(at)s::timestamptz - interval '7 days') AS under_7_days,
    count(*) FILTER (
        WHERE
        finding.first_seen_at <= %(at)s::timestamptz - interval '7 days'
        AND finding.first_seen_at > %(at)s::timestamptz - interval '30 days'
    ) AS from_7_to_30_days,
    count(*) FILTER (WHERE finding.first_seen_at <= %(at)s::timestamptz - interval '30 days') AS from_30_days,
    count(*) FILTER (WHERE finding.deadline < %(at)s) AS overdue,
    count(*) FILTER (WHERE finding.score IS NULL) AS unscored,
    min(finding.deadline) AS next_deadline
FROM finding
INNER JOIN host ON finding.host_id = host.host_id
LEFT JOIN accepted_finding_at(%(at)s) AS holding
    ON finding.host_id = holding.host_id AND finding.advisory_id = holding.advisory_id
WHERE
    host.retired_at IS NULL
    AND (finding.status = 'open' OR (finding.status = 'accepted' AND holding.acceptance_id IS NULL))
GROUP BY finding.priority
ORDER BY array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], finding.priority)
