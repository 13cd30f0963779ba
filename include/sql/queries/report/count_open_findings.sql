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

counted AS MATERIALIZED (
    SELECT
        finding.priority,
        finding.advisory_id,
        finding.first_seen_at,
        finding.deadline,
        finding.score,
        ARRAY[placed.host_id] AS host_ids,
        NULL::integer[] AS host_nos,
        1::bigint AS findings
    FROM own_finding AS finding
    INNER JOIN placed ON finding.host_id = placed.host_id
    LEFT JOIN accepted_finding_at(%(at)s) AS holding
        ON finding.host_id = holding.host_id AND finding.advisory_id = holding.advisory_id
    WHERE finding.status = 'open' OR (finding.status = 'accepted' AND holding.acceptance_id IS NULL)
    UNION ALL
    SELECT
        finding.priority,
        finding.advisory_id,
        finding.first_seen_at,
        finding.deadline,
        finding.score,
        NULL::text[] AS host_ids,
        finding.host_nos,
        member.findings
    FROM shared_finding AS finding
    CROSS JOIN LATERAL (
        SELECT count(*) AS findings
        FROM unnest(finding.host_nos) AS one (host_no)
        WHERE one.host_no IN (SELECT placed.host_no FROM placed)
    ) AS member
    WHERE member.findings > 0
),

seen AS (
    SELECT DISTINCT
        counted.priority,
        one.host_id
    FROM counted
    CROSS JOIN LATERAL unnest(counted.host_ids) AS one (host_id)
    UNION
    SELECT DISTINCT
        counted.priority,
        placed.host_id
    FROM counted
    CROSS JOIN LATERAL unnest(counted.host_nos) AS one (host_no)
    INNER JOIN placed ON one.host_no = placed.host_no
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
