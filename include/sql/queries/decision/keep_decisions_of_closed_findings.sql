-- New reasons for the same outcome are written into the decision's row. What a closed finding was decided on must stay
-- as it was: it gets a copy of its own first.
WITH kept AS (
    INSERT INTO decision (
        advisory_id, asset_group, criticality, exposure, priority, priority_rank, score, within_hours, due_dates,
        reasons, grounds_digest, decided_at, superseded_at
    )
    SELECT
        decision.advisory_id,
        decision.asset_group,
        decision.criticality,
        decision.exposure,
        decision.priority,
        decision.priority_rank,
        decision.score,
        decision.within_hours,
        decision.due_dates,
        decision.reasons,
        decision.grounds_digest,
        decision.decided_at,
        %(now)s::timestamptz AS superseded_at
    FROM decision
    INNER JOIN work_decision
        ON
            decision.advisory_id = work_decision.advisory_id
            AND decision.asset_group = work_decision.asset_group
            AND decision.criticality = work_decision.criticality
            AND decision.exposure = work_decision.exposure
    WHERE
        decision.superseded_at IS NULL
        AND decision.reasons <> work_decision.reasons
        AND (decision.priority, decision.within_hours) = (work_decision.priority, work_decision.within_hours)
        AND decision.score IS NOT DISTINCT FROM work_decision.score
        AND decision.due_dates IS NOT DISTINCT FROM work_decision.due_dates
        AND EXISTS (
            SELECT 1 FROM own_finding AS finding
            WHERE finding.decision_id = decision.decision_id AND finding.status IN ('fixed', 'withdrawn')
        )
    RETURNING decision_id, advisory_id, asset_group, criticality, exposure
)

UPDATE own_finding AS finding
SET decision_id = kept.decision_id
FROM kept
INNER JOIN decision
    ON
        kept.advisory_id = decision.advisory_id
        AND kept.asset_group = decision.asset_group
        AND kept.criticality = decision.criticality
        AND kept.exposure = decision.exposure
        AND decision.superseded_at IS NULL
WHERE finding.decision_id = decision.decision_id AND finding.status IN ('fixed', 'withdrawn')
