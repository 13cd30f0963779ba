-- What the current decisions change in the findings. The clock runs from when the finding was seen (or came back); a
-- priority that is raised later gets its own time from now, but never a later deadline than before. While a feed is
-- stale (may_lower FALSE) a priority is never lowered: the finding stays with the decision that it has. A due
-- date (of a catalogue, of a clock from release) that had passed before the finding was seen is left out.
-- Looked at are all findings (whole), or those that were never scored, came back, or bear a mark.
WITH wanted AS MATERIALIZED (
    SELECT
        finding_id,
        host_id,
        advisory_id,
        decision_id,
        priority,
        score,
        deadline,
        priority_since,
        reopened_at,
        first_seen_at
    FROM finding
    WHERE
        status IN ('open', 'accepted')
        AND %(whole)s
    UNION
    SELECT
        finding_id,
        host_id,
        advisory_id,
        decision_id,
        priority,
        score,
        deadline,
        priority_since,
        reopened_at,
        first_seen_at
    FROM finding
    WHERE
        status IN ('open', 'accepted')
        AND priority_since IS NULL
    UNION
    SELECT
        finding_id,
        host_id,
        advisory_id,
        decision_id,
        priority,
        score,
        deadline,
        priority_since,
        reopened_at,
        first_seen_at
    FROM finding
    WHERE
        status IN ('open', 'accepted')
        AND advisory_id = any(%(advisory_ids)s::text[])
    UNION
    SELECT
        finding_id,
        host_id,
        advisory_id,
        decision_id,
        priority,
        score,
        deadline,
        priority_since,
        reopened_at,
        first_seen_at
    FROM finding
    WHERE
        status IN ('open', 'accepted')
        AND host_id = any(%(host_ids)s::text[])
),

ranked AS (
    SELECT
        finding.finding_id,
        finding.decision_id AS decision_before,
        finding.priority AS priority_before,
        finding.score AS score_before,
        finding.deadline AS deadline_before,
        finding.priority_since AS since_before,
        decision.decision_id,
        decision.priority,
        decision.priority_rank,
        decision.score,
        decision.due_dates,
        coalesce(finding.reopened_at, finding.first_seen_at) AS clock_start,
        make_interval(secs => decision.within_hours * 3600) AS allowed,
        finding.priority_since IS NULL AS is_first,
        array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], finding.priority) - 1 AS old_rank,
        coalesce(finding.decision_id <> decision.decision_id, TRUE)
        AND coalesce(earlier.reasons <> decision.reasons, TRUE) AS says_new
    FROM wanted AS finding
    INNER JOIN host ON finding.host_id = host.host_id
    INNER JOIN decision
        ON
            decision.superseded_at IS NULL
            AND finding.advisory_id = decision.advisory_id
            AND host.asset_group = decision.asset_group
            AND host.criticality = decision.criticality
            AND host.exposure = decision.exposure
    LEFT JOIN decision AS earlier ON finding.decision_id = earlier.decision_id
),

timed AS (
    SELECT
        ranked.*,
        CASE
            WHEN
                NOT ranked.is_first AND ranked.priority_rank < ranked.old_rank
                THEN least(ranked.deadline_before, %(now)s::timestamptz + ranked.allowed)
            WHEN
                NOT ranked.is_first AND ranked.priority_rank = ranked.old_rank
                THEN least(ranked.deadline_before, ranked.since_before + ranked.allowed)
            ELSE ranked.clock_start + ranked.allowed
        END AS own_deadline,
        CASE
            WHEN ranked.is_first THEN ranked.clock_start
            WHEN ranked.priority_rank = ranked.old_rank THEN ranked.since_before
            WHEN ranked.priority_rank < ranked.old_rank THEN %(now)s::timestamptz
            ELSE ranked.clock_start
        END AS since,
        (SELECT min(due.at) FROM unnest(ranked.due_dates) AS due (at) WHERE due.at > ranked.clock_start)
            AS catalogue_deadline
    FROM ranked
    WHERE ranked.is_first OR %(may_lower)s OR ranked.priority_rank <= ranked.old_rank
),

judged AS (
    SELECT
        timed.*,
        timed.is_first
        OR timed.says_new
        OR timed.priority_before <> timed.priority
        OR coalesce(timed.score_before, -1) <> coalesce(timed.score, -1)
        OR timed.deadline_before <> least(timed.own_deadline, timed.catalogue_deadline) AS is_changed
    FROM timed
)

INSERT INTO work_judged (finding_id, priority, score, decision_id, deadline, priority_since, is_changed)
SELECT
    finding_id,
    priority,
    score,
    decision_id,
    least(own_deadline, catalogue_deadline) AS deadline,
    since AS priority_since,
    is_changed
FROM judged
WHERE is_changed OR decision_before IS DISTINCT FROM decision_id
