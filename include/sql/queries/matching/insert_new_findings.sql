-- A new match becomes a finding, with the current decision for its kind of asset where there is one and it was made in
-- this run (decided), else by the rule for the unscored.
INSERT INTO finding (
    host_id, advisory_id, source_package, installed_version, fixed_version, packages, status, priority, score, deadline,
    decision_id, first_seen_at, priority_since, scored_at
)
SELECT
    work_share.host_id,
    work_share.advisory_id,
    work_share.source_package,
    work_share.installed_version,
    work_share.fixed_version,
    work_share.packages,
    'open' AS status,
    coalesce(decision.priority, %(priority)s) AS priority,
    decision.score,
    CASE
        WHEN decision.decision_id IS NULL THEN %(deadline)s::timestamptz
        ELSE
            least(
                %(now)s::timestamptz + make_interval(secs => decision.within_hours * 3600),
                CASE WHEN decision.due_by > %(now)s::timestamptz THEN decision.due_by END
            )
    END AS deadline,
    decision.decision_id,
    %(now)s::timestamptz AS first_seen_at,
    CASE WHEN decision.decision_id IS NOT NULL THEN %(now)s::timestamptz END AS priority_since,
    %(now)s::timestamptz AS scored_at
FROM work_share
INNER JOIN host ON work_share.host_id = host.host_id
LEFT JOIN decision
    ON
        %(decided)s
        AND decision.superseded_at IS NULL
        AND work_share.advisory_id = decision.advisory_id
        AND host.asset_group = decision.asset_group
        AND host.criticality = decision.criticality
        AND host.exposure = decision.exposure
WHERE
    NOT EXISTS (
        SELECT 1 FROM finding
        WHERE finding.host_id = work_share.host_id AND finding.advisory_id = work_share.advisory_id
    )
ORDER BY work_share.host_id, work_share.advisory_id
