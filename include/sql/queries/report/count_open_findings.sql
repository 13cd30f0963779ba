-- Open findings (and those that call themselves accepted while no acceptance that holds covers them) by priority and
-- age since they were first seen; the buckets are half-open, [from, to). Shared rows are counted with their hosts.
WITH placed AS MATERIALIZED (
    SELECT
        host.host_id,
        finding_host.host_no
    FROM host
    LEFT JOIN finding_host ON host.host_id = finding_host.host_id
    WHERE host.retired_at IS NULL
),

own AS MATERIALIZED (
    SELECT
        finding.host_id,
        finding.priority,
        finding.advisory_id,
        finding.first_seen_at,
        finding.deadline,
        finding.score
    FROM own_finding AS finding
    INNER JOIN placed ON finding.host_id = placed.host_id
    LEFT JOIN accepted_finding_at(%(at)s) AS holding
        ON finding.host_id = holding.host_id AND finding.advisory_id = holding.advisory_id
    WHERE finding.status = 'open' OR (finding.status = 'accepted' AND holding.acceptance_id IS NULL)
),

sharing AS (
    SELECT
        finding.first_id,
        count(*) AS findings
    FROM shared_finding AS finding
    CROSS JOIN LATERAL unnest(finding.host_nos) AS member (host_no)
    INNER JOIN placed ON member.host_no = placed.host_no
    GROUP BY finding.first_id
),

counted AS (
    SELECT
        priority,
        advisory_id,
        first_seen_at,
        deadline,
        score,
        1 AS findings
    FROM own
    UNION ALL
    SELECT
        finding.priority,
        finding.advisory_id,
        finding.first_seen_at,
        finding.deadline,
        finding.score,
        sharing.findings
    FROM shared_finding AS finding
    INNER JOIN sharing ON finding.first_id = sharing.first_id
),

shared_host AS (
    SELECT DISTINCT
        finding.priority,
        member.host_no
    FROM shared_finding AS finding
    CROSS JOIN LATERAL unnest(finding.host_nos) AS member (host_no)
),

seen AS (
    SELECT
        priority,
        host_id
    FROM own
    UNION
    SELECT
        shared_host.priority,
        placed.host_id
    FROM shared_host
    INNER JOIN placed ON shared_host.host_no = placed.host_no
),

hosts AS (
    SELECT
        priority,
        count(*) AS hosts
    FROM seen
    GROUP BY priority
)

SELECT
    counted.priority,
    sum(counted.findings)::bigint AS findings,
    hosts.hosts,
    count(DISTINCT counted.advisory_id) AS advisories,
    coalesce(
        sum(counted.findings) FILTER (WHERE counted.first_seen_at > %(at)s::timestamptz - interval '7 days'), 0
    )::bigint AS under_7_days,
    coalesce(sum(counted.findings) FILTER (
        WHERE
        counted.first_seen_at <= %(at)s::timestamptz - interval '7 days'
        AND counted.first_seen_at > %(at)s::timestamptz - interval '30 days'
    ), 0)::bigint AS from_7_to_30_days,
    coalesce(
        sum(counted.findings) FILTER (WHERE counted.first_seen_at <= %(at)s::timestamptz - interval '30 days'), 0
    )::bigint AS from_30_days,
    coalesce(sum(counted.findings) FILTER (WHERE counted.deadline < %(at)s), 0)::bigint AS overdue,
    coalesce(sum(counted.findings) FILTER (WHERE counted.score IS NULL), 0)::bigint AS unscored,
    min(counted.deadline) AS next_deadline
FROM counted
INNER JOIN hosts ON counted.priority = hosts.priority
GROUP BY counted.priority, hosts.hosts
ORDER BY array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], counted.priority)
