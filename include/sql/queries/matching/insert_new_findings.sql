-- A new match becomes a finding: all that it says stands in its outcome, its clock starts now.
INSERT INTO finding (
    host_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages, conditions, status,
    priority, score, deadline, decision_id, first_seen_at, priority_since, scored_at
)
SELECT
    work_held.host_id,
    work_outcome.advisory_id,
    work_outcome.ecosystem,
    work_outcome.source_package,
    work_outcome.installed_version,
    work_outcome.fixed_version,
    work_outcome.packages,
    work_outcome.conditions,
    'open' AS status,
    work_outcome.priority,
    work_outcome.score,
    work_outcome.deadline,
    work_outcome.decision_id,
    %(now)s::timestamptz AS first_seen_at,
    CASE WHEN work_outcome.decision_id IS NOT NULL THEN %(now)s::timestamptz END AS priority_since,
    %(now)s::timestamptz AS scored_at
FROM work_held
INNER JOIN work_outcome
    ON work_held.situation_id = work_outcome.situation_id AND work_held.kind_id = work_outcome.kind_id
WHERE
    NOT EXISTS (
        SELECT 1 FROM work_standing
        WHERE work_standing.host_id = work_held.host_id AND work_standing.advisory_id = work_outcome.advisory_id
    )
