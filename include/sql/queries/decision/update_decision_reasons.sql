-- The same outcome on other grounds: its findings need not be touched. Which decisions now say something new.
WITH rewritten AS (
    UPDATE decision
    SET
        reasons = work_decision.reasons,
        grounds_digest = work_decision.grounds_digest,
        decided_at
        = CASE WHEN decision.reasons = work_decision.reasons THEN decision.decided_at ELSE %(now)s::timestamptz END
    FROM work_decision, decision AS before
    WHERE
        decision.superseded_at IS NULL
        AND decision.decision_id = before.decision_id
        AND decision.advisory_id = work_decision.advisory_id
        AND decision.asset_group = work_decision.asset_group
        AND decision.criticality = work_decision.criticality
        AND decision.exposure = work_decision.exposure
        AND (decision.priority, decision.within_hours) = (work_decision.priority, work_decision.within_hours)
        AND decision.score IS NOT DISTINCT FROM work_decision.score
        AND decision.due_dates IS NOT DISTINCT FROM work_decision.due_dates
        AND (
            decision.reasons <> work_decision.reasons
            OR decision.grounds_digest <> work_decision.grounds_digest
        )
    RETURNING decision.decision_id, before.reasons <> work_decision.reasons AS says_new
)

SELECT decision_id FROM rewritten
WHERE says_new
