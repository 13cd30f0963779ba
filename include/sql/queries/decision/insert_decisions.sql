INSERT INTO decision (
    advisory_id, asset_group, criticality, exposure, priority, priority_rank, score, within_hours, due_by, reasons,
    grounds_digest, decided_at
)
SELECT
    work_decision.advisory_id,
    work_decision.asset_group,
    work_decision.criticality,
    work_decision.exposure,
    work_decision.priority,
    work_decision.priority_rank,
    work_decision.score,
    work_decision.within_hours,
    work_decision.due_by,
    work_decision.reasons,
    work_decision.grounds_digest,
    %(now)s AS decided_at
FROM work_decision
WHERE
    NOT EXISTS (
        SELECT 1 FROM decision
        WHERE
            decision.superseded_at IS NULL
            AND decision.advisory_id = work_decision.advisory_id
            AND decision.asset_group = work_decision.asset_group
            AND decision.criticality = work_decision.criticality
            AND decision.exposure = work_decision.exposure
    )
