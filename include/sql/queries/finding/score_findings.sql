-- Fan the decisions out to the findings. The clock runs from when the finding was seen (or came back); a priority that
-- is raised later gets its own time from now, but never a later deadline than before. While a feed is stale
-- (may_lower FALSE) a priority is never lowered. A due date (of a catalogue, of a clock from release) that had passed before
-- the finding was seen is left out.
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
        finding.finding_id,
        decision.*,
        coalesce(finding.reopened_at, finding.first_seen_at) AS clock_start,
        make_interval(secs => decision.within_hours * 3600) AS allowed,
        finding.priority_since IS NULL AS is_first,
        array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], finding.priority) - 1 AS old_rank
    FROM finding
    INNER JOIN host ON finding.host_id = host.host_id
    INNER JOIN decision
        ON
            finding.advisory_id = decision.advisory_id
            AND host.asset_group = decision.asset_group
            AND host.criticality = decision.criticality
            AND host.exposure = decision.exposure
    WHERE finding.status IN ('open', 'accepted')
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
            finding.deadline AS deadline_before,
            finding.priority_since AS since_before
        FROM ranked
        INNER JOIN finding ON ranked.finding_id = finding.finding_id
    ) AS with_before
    WHERE is_first OR %(may_lower)s OR priority_rank <= old_rank
)

UPDATE finding
SET
    priority = judged.priority,
    score = judged.score,
    reasons = judged.reasons,
    deadline = least(judged.own_deadline, judged.catalogue_deadline),
    priority_since = judged.since,
    scored_at = %(now)s
FROM judged
WHERE
    finding.finding_id = judged.finding_id
    AND (
        finding.priority_since IS NULL
        OR finding.priority <> judged.priority
        OR finding.score IS DISTINCT FROM judged.score
        OR finding.reasons <> judged.reasons
        OR finding.deadline <> least(judged.own_deadline, judged.catalogue_deadline)
    )
RETURNING finding.finding_id, finding.priority
