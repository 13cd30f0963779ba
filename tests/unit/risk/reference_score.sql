-- The statement that scored findings when each carried its reasons itself; the test's measure for today's way.
WITH decision AS (
    SELECT
        row.advisory_id,
        row.asset_group,
        row.criticality,
        row.exposure,
        row.priority,
        row.priority_rank,
        row.score,
        row.within_hours,
        row.due_dates,
        row.reasons
    FROM
        jsonb_to_recordset(%(decisions)s)
            AS row (
                advisory_id text,
                asset_group text,
                criticality text,
                exposure text,
                priority text,
                priority_rank integer,
                score numeric,
                within_hours double precision,
                due_dates timestamptz [],
                reasons jsonb
            )
),

ranked AS (
    SELECT
        reference.finding_id,
        decision.*,
        coalesce(reference.reopened_at, reference.first_seen_at) AS clock_start,
        make_interval(secs => decision.within_hours * 3600) AS allowed,
        reference.priority_since IS NULL AS is_first,
        array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], reference.priority) - 1 AS old_rank
    FROM reference
    INNER JOIN host ON reference.host_id = host.host_id
    INNER JOIN decision
        ON
            reference.advisory_id = decision.advisory_id
            AND host.asset_group = decision.asset_group
            AND host.criticality = decision.criticality
            AND host.exposure = decision.exposure
    WHERE reference.status IN ('open', 'accepted')
),

judged AS (
    SELECT
        finding_id,
        priority,
        score,
        reasons,
        CASE
            WHEN NOT is_first AND priority_rank < old_rank THEN least(deadline_before, %(now)s::timestamptz + allowed)
            WHEN NOT is_first AND priority_rank = old_rank THEN least(deadline_before, since_before + allowed)
            ELSE clock_start + allowed
        END AS own_deadline,
        CASE
            WHEN is_first THEN clock_start
            WHEN priority_rank = old_rank THEN since_before
            WHEN priority_rank < old_rank THEN %(now)s::timestamptz
            ELSE clock_start
        END AS since,
        (SELECT min(due) FROM unnest(due_dates) AS due WHERE due > clock_start) AS catalogue_deadline
    FROM (
        SELECT
            ranked.*,
            reference.deadline AS deadline_before,
            reference.priority_since AS since_before
        FROM ranked
        INNER JOIN reference ON ranked.finding_id = reference.finding_id
    ) AS with_before
    WHERE is_first OR %(may_lower)s OR priority_rank <= old_rank
)

UPDATE reference
SET
    priority = judged.priority,
    score = judged.score,
    reasons = judged.reasons,
    deadline = least(judged.own_deadline, judged.catalogue_deadline),
    priority_since = judged.since,
    scored_at = %(now)s
FROM judged
WHERE
    reference.finding_id = judged.finding_id
    AND (
        reference.priority_since IS NULL
        OR reference.priority <> judged.priority
        OR reference.score IS DISTINCT FROM judged.score
        OR reference.reasons <> judged.reasons
        OR reference.deadline <> least(judged.own_deadline, judged.catalogue_deadline)
    )
RETURNING reference.finding_id, reference.priority
