-- What work_judged says, written; all of these findings have rows of their own by now. How many say something new:
-- those that rest on a decision with new reasons (restated) are counted there.
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
)

SELECT count(*) AS changed
FROM work_judged AS judged
INNER JOIN own_finding AS before ON judged.finding_id = before.finding_id
WHERE
    judged.is_changed
    AND NOT coalesce(
        before.decision_id = any(%(restated)s::bigint[]) AND before.priority_since IS NOT NULL,
        FALSE
    )
