-- A finding that took the place of others takes their clock: merging never buys time. All of them have rows of their
-- own by now.
WITH inherited AS (
    SELECT
        finding.finding_id,
        clock.started_at,
        CASE WHEN finding.decision_id IS NOT NULL THEN clock.started_at END AS priority_since,
        CASE
            WHEN decision.decision_id IS NULL THEN least(work_heir.deadline, finding.deadline)
            ELSE
                least(
                    clock.started_at + make_interval(secs => decision.within_hours * 3600),
                    (SELECT min(due.at) FROM unnest(decision.due_dates) AS due (at) WHERE due.at > clock.started_at)
                )
        END AS deadline
    FROM work_heir
    INNER JOIN finding_host ON work_heir.host_no = finding_host.host_no
    INNER JOIN own_finding AS finding
        ON finding_host.host_id = finding.host_id AND work_heir.advisory_id = finding.advisory_id
    CROSS JOIN LATERAL unnest(ARRAY[least(work_heir.started_at, finding.first_seen_at)]) AS clock (started_at)
    LEFT JOIN decision ON finding.decision_id = decision.decision_id
)

UPDATE own_finding AS finding
SET
    first_seen_at = inherited.started_at,
    priority_since = inherited.priority_since,
    deadline = inherited.deadline
FROM inherited
WHERE finding.finding_id = inherited.finding_id
