-- A new match becomes a finding: all that it says stands in its outcome, its clock starts now. Hosts that show the same
-- share a row: groups that are new as a whole, and of those that were opened the hosts that had no such finding.
WITH alike AS (
    SELECT
        host_block,
        holding_id,
        kind_id,
        advisory_id,
        host_nos
    FROM work_group
    UNION ALL
    SELECT
        work_shown.host_no / 1024 AS host_block,
        work_shown.holding_id,
        work_shown.kind_id,
        work_shown.advisory_id,
        array_agg(work_shown.host_no ORDER BY work_shown.host_no) AS host_nos
    FROM work_shown
    WHERE
        NOT EXISTS (
            SELECT 1 FROM work_standing
            WHERE
                work_standing.host_no = work_shown.host_no AND work_standing.advisory_id = work_shown.advisory_id
        )
    GROUP BY work_shown.host_no / 1024, work_shown.holding_id, work_shown.kind_id, work_shown.advisory_id
),

fresh AS MATERIALIZED (
    SELECT
        alike.*,
        sum(cardinality(alike.host_nos))
            OVER (ORDER BY alike.host_block, alike.holding_id, alike.kind_id, alike.advisory_id)
        AS through
    FROM alike
),

taken AS MATERIALIZED (
    SELECT take_finding_ids(max(through)::bigint) AS first_id
    FROM fresh
    HAVING count(*) > 0
),

made AS (
    INSERT INTO shared_finding (
        first_id, host_block, host_nos, advisory_id, ecosystem, source_package, installed_version, fixed_version,
        packages, conditions, priority, score, deadline, decision_id, first_seen_at, priority_since, scored_at, kind_id
    )
    SELECT
        taken.first_id + fresh.through - cardinality(fresh.host_nos) AS first_id,
        fresh.host_block,
        fresh.host_nos,
        work_outcome.advisory_id,
        work_outcome.ecosystem,
        work_outcome.source_package,
        work_outcome.installed_version,
        work_outcome.fixed_version,
        work_outcome.packages,
        work_outcome.conditions,
        work_outcome.priority,
        work_outcome.score,
        work_outcome.deadline,
        work_outcome.decision_id,
        %(now)s::timestamptz AS first_seen_at,
        CASE WHEN work_outcome.decision_id IS NOT NULL THEN %(now)s::timestamptz END AS priority_since,
        %(now)s::timestamptz AS scored_at,
        fresh.kind_id
    FROM fresh
    CROSS JOIN taken
    INNER JOIN work_outcome
        ON
            fresh.holding_id = work_outcome.holding_id
            AND fresh.kind_id = work_outcome.kind_id
            AND fresh.advisory_id = work_outcome.advisory_id
    RETURNING cardinality(host_nos) AS hosts
)

SELECT coalesce(sum(hosts), 0)::bigint AS findings FROM made
