UPDATE decision
SET superseded_at = %(now)s
FROM work_decision
WHERE
    decision.superseded_at IS NULL
    AND decision.advisory_id = work_decision.advisory_id
    AND decision.asset_group = work_decision.asset_group
    AND decision.criticality = work_decision.criticality
    AND decision.exposure = work_decision.exposure
    AND NOT (
        (decision.priority, decision.within_hours) = (work_decision.priority, work_decision.within_hours)
        AND decision.score IS NOT DISTINCT FROM work_decision.score
        AND decision.due_dates IS NOT DISTINCT FROM work_decision.due_dates
    )
