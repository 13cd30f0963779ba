-- Fan the current decisions out to the findings. The clock runs from when the finding was seen (or came back); a
-- priority that is raised later gets its own time from now, but never a later deadline than before. While a feed is
-- stale (may_lower FALSE) a priority is never lowered: the finding stays with the decision that it has. A due
-- date (of a catalogue, of a clock from release) that had passed before the finding was seen is left out.
WITH ranked AS (
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
        finding.decision_id IS DISTINCT FROM decision.decision_id
        AND before.reasons IS DISTINCT FROM decision.reasons AS says_new
    FROM finding
    INNER JOIN host ON finding.host_id = host.host_id
    INNER JOIN decision
        ON
            decision.superseded_at IS NULL
            AND finding.advisory_id = decision.advisory_id
            AND host.asset_group = decision.asset_group
            AND host.criticality = decision.criticality
            AND host.exposure = decision.exposure
    LEFT JOIN decision AS before ON finding.decision_id = before.decision_id
    WHERE
        finding.status IN ('open', 'accepted')
        AND (%(host_ids)s::text[] IS NULL OR finding.host_id = any(%(host_ids)s::text[]))
        AND (%(advisory_ids)s::text[] IS NULL OR finding.advisory_id = any(%(advisory_ids)s::text[]))
),

timed AS (
    SELECT
        ranked.*,
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
        (SELECT min(due.at) FROM unnest(due_dates) AS due (at) WHERE due.at > clock_start) AS catalogue_deadline
    FROM ranked
    WHERE is_first OR %(may_lower)s OR priority_rank <= old_rank
),

judged AS (
    SELECT
        timed.*,
        is_first
        OR says_new
        OR priority_before <> priority
        OR score_before IS DISTINCT FROM score
        OR deadline_before <> least(own_deadline, catalogue_deadline) AS is_changed
    FROM timed
),

moved AS (
    UPDATE finding
    SET
        priority = judged.priority,
        score = judged.score,
        decision_id = judged.decision_id,
        deadline = least(judged.own_deadline, judged.catalogue_deadline),
        priority_since = judged.since,
        scored_at = CASE WHEN judged.is_changed THEN %(now)s ELSE finding.scored_at END
    FROM judged
    WHERE
        finding.finding_id = judged.finding_id
        AND (judged.is_changed OR judged.decision_before IS DISTINCT FROM judged.decision_id)
    RETURNING judged.is_changed
)

SELECT count(*) FILTER (WHERE is_changed) AS changed FROM moved
