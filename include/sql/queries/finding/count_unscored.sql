-- Findings of which nobody said anything that a decision can rest on, read advisory by advisory. Shared rows are
-- counted with their hosts, and opened only in blocks with hosts that are retired.
WITH retired AS MATERIALIZED (
    SELECT
        finding_host.host_no,
        finding_host.host_block
    FROM host
    INNER JOIN finding_host ON host.host_id = finding_host.host_id
    WHERE host.retired_at IS NOT NULL
),

own AS (
    SELECT own_finding.host_id
    FROM decision
    INNER JOIN own_finding
        ON decision.advisory_id = own_finding.advisory_id AND decision.decision_id = own_finding.decision_id
    WHERE decision.is_unscored AND own_finding.status IN ('open', 'accepted')
    UNION ALL
    SELECT own_finding.host_id
    FROM own_finding
    WHERE
        own_finding.priority_since IS NULL
        AND own_finding.decision_id IS NULL
        AND own_finding.status IN ('open', 'accepted')
),

unscored AS MATERIALIZED (
    SELECT
        decision.advisory_id,
        array_agg(decision.decision_id) AS decision_ids
    FROM decision
    WHERE decision.is_unscored
    GROUP BY decision.advisory_id
),

shared AS (
    SELECT
        found.host_block,
        found.host_nos
    FROM unscored
    CROSS JOIN LATERAL (
        SELECT
            shared_finding.host_block,
            array_remove(shared_finding.host_nos, 0) AS host_nos
        FROM shared_finding
        WHERE
            unscored.advisory_id = shared_finding.advisory_id
            AND shared_finding.decision_id = any(unscored.decision_ids)
        ORDER BY shared_finding.first_id  -- kept whole, so by its index: planned as a join it reads the whole table
        OFFSET 0
    ) AS found
    UNION ALL
    SELECT
        shared_finding.host_block,
        array_remove(shared_finding.host_nos, 0) AS host_nos
    FROM shared_finding
    WHERE shared_finding.priority_since IS NULL AND shared_finding.decision_id IS NULL
)

SELECT (
    SELECT count(*)
    FROM own
    INNER JOIN host ON own.host_id = host.host_id
    WHERE host.retired_at IS NULL
) + (
    SELECT
        coalesce(sum(
            CASE
                WHEN shared.host_block IN (SELECT retired.host_block FROM retired)
                    THEN (
                        SELECT count(*)
                        FROM unnest(shared.host_nos) AS member (host_no)
                        WHERE member.host_no NOT IN (SELECT retired.host_no FROM retired)
                    )
                ELSE cardinality(shared.host_nos)
            END
        ), 0)::bigint
    FROM shared
) AS unscored
