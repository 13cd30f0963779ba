-- What a finding of each of them will say: with the current decision where there is one and it was made in this run
-- (decided), else by the rule for the unscored.
INSERT INTO work_outcome (
    holding_id, kind_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages,
    conditions, priority, score, deadline, decision_id
)
SELECT
    found.holding_id,
    work_place.kind_id,
    found.advisory_id,
    found.ecosystem,
    found.source_package,
    found.installed_version,
    found.fixed_version,
    found.packages,
    found.conditions,
    coalesce(decision.priority, %(priority)s) AS priority,
    decision.score,
    CASE
        WHEN decision.decision_id IS NULL THEN %(deadline)s::timestamptz
        ELSE
            least(
                %(now)s::timestamptz + make_interval(secs => decision.within_hours * 3600),
                (SELECT min(due.at) FROM unnest(decision.due_dates) AS due (at) WHERE due.at > %(now)s::timestamptz)
            )
    END AS deadline,
    decision.decision_id
FROM work_place
INNER JOIN work_found AS found ON work_place.holding_id = found.holding_id
INNER JOIN asset_kind ON work_place.kind_id = asset_kind.kind_id
LEFT JOIN decision
    ON
        %(decided)s
        AND decision.superseded_at IS NULL
        AND found.advisory_id = decision.advisory_id
        AND asset_kind.asset_group = decision.asset_group
        AND asset_kind.criticality = decision.criticality
        AND asset_kind.exposure = decision.exposure
