-- What work_judged says, written; all of these findings have rows of their own by now.
WITH moved AS (
    UPDATE own_finding AS finding
    SET
        priority = judged.priority,
        score = judged.score,
        decision_id = judged.decision_id,
        deadline = judged.deadline,
        priority_since = judged.priority_since,
        scored_at = CASE WHEN judged.is_changed THEN %(now)s ELSE finding.scored_at END
    FROM work_judged AS judged
    WHERE finding.finding_id = judged.finding_id
    RETURNING judged.is_changed
)

SELECT count(*) FILTER (WHERE is_changed) AS changed FROM moved
