-- A finding that took the place of others takes their clock: merging never buys time.
UPDATE finding
SET
    first_seen_at = least(work_heir.started_at, finding.first_seen_at),
    priority_since
    = CASE WHEN finding.decision_id IS NOT NULL THEN least(work_heir.started_at, finding.first_seen_at) END,
    deadline = CASE
        WHEN finding.decision_id IS NULL THEN least(work_heir.deadline, finding.deadline)
        ELSE (
            SELECT
                least(
                    least(work_heir.started_at, finding.first_seen_at)
                    + make_interval(secs => decision.within_hours * 3600),
                    (
                        SELECT min(due.at) FROM unnest(decision.due_dates) AS due (at)
                        WHERE due.at > least(work_heir.started_at, finding.first_seen_at)
                    )
                )
            FROM decision
            WHERE decision.decision_id = finding.decision_id
        )
    END
FROM work_heir
WHERE finding.host_id = work_heir.host_id AND finding.advisory_id = work_heir.advisory_id
