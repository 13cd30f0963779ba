-- As insert_new_findings, where no host has any finding yet that could be the same: hosts with the same situation are
-- brought together once, and share a row for each of its advisories.
WITH alike AS (
    SELECT
        situation_id,
        kind_id,
        host_no / 1024 AS host_block,
        array_agg(host_no ORDER BY host_no) AS host_nos
    FROM work_held
    GROUP BY situation_id, kind_id, host_no / 1024
),

fresh AS MATERIALIZED (
    SELECT
        alike.host_block,
        alike.host_nos,
        work_outcome.situation_id,
        work_outcome.kind_id,
        work_outcome.advisory_id,
        sum(cardinality(alike.host_nos))
            OVER (ORDER BY alike.host_block, work_outcome.situation_id, work_outcome.kind_id, work_outcome.advisory_id)
        AS through
    FROM alike
    INNER JOIN work_outcome
        ON alike.situation_id = work_outcome.situation_id AND alike.kind_id = work_outcome.kind_id
),

taken AS MATERIALIZED (
    SELECT take_finding_ids(max(through)::bigint) AS first_id
    FROM fresh
    HAVING count(*) > 0
),

made AS (
    INSERT INTO shared_finding (
        first_id, host_block, host_nos, advisory_id, ecosystem, source_package, installed_version, fixed_version,
        packages, conditions, priority, score, deadline, decision_id, first_seen_at, priority_since, scored_at
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
        %(now)s::timestamptz AS scored_at
    FROM fresh
    CROSS JOIN taken
    INNER JOIN work_outcome
        ON
            fresh.situation_id = work_outcome.situation_id
            AND fresh.kind_id = work_outcome.kind_id
            AND fresh.advisory_id = work_outcome.advisory_id
    RETURNING cardinality(host_nos) AS hosts
)

SELECT coalesce(sum(hosts), 0)::bigint AS findings FROM made
