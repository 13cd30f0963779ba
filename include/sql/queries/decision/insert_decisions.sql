INSERT INTO decision (
    advisory_id, asset_group, criticality, exposure, priority, priority_rank, score, within_hours, due_dates, reasons,
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
    work_decision.due_dates,
    work_decision.reasons,
    work_decision.grounds_digest,
    %(now)s AS decided_at
FROM work_decision
ON CONFLICT (advisory_id, asset_group, criticality, exposure) WHERE superseded_at IS NULL DO NOTHING
