-- A new match becomes a finding, with the current decision for its kind of asset where there is one and it was made in
-- this run (decided), else by the rule for the unscored. One that takes the place of another (the same vulnerability in
-- the same package: same_as) takes its clock.
WITH heir AS MATERIALIZED (
    SELECT
        work_share.host_id,
        work_share.advisory_id,
        min(coalesce(finding.reopened_at, finding.first_seen_at)) AS first_seen_at,
        min(finding.deadline) AS deadline
    FROM work_pair
    INNER JOIN work_share
        ON
            work_pair.advisory_id = work_share.advisory_id
            AND work_pair.source_version = work_share.installed_version
            AND work_pair.source_package = work_share.source_package
    INNER JOIN finding
        ON
            work_share.host_id = finding.host_id
            AND work_pair.same_as ? finding.advisory_id
    WHERE work_pair.same_as IS NOT NULL AND finding.status IN ('open', 'accepted')
    GROUP BY work_share.host_id, work_share.advisory_id
)

INSERT INTO finding (
    host_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages, conditions, status,
    priority, score, deadline, decision_id, first_seen_at, priority_since, scored_at
)
SELECT
    work_share.host_id,
    work_share.advisory_id,
    work_share.ecosystem,
    work_share.source_package,
    work_share.installed_version,
    work_share.fixed_version,
    work_share.packages,
    work_share.conditions,
    'open' AS status,
    coalesce(decision.priority, %(priority)s) AS priority,
    decision.score,
    CASE
        WHEN decision.decision_id IS NULL THEN least(heir.deadline, %(deadline)s::timestamptz)
        ELSE
            least(
                clock.started_at + make_interval(secs => decision.within_hours * 3600),
                (SELECT min(due.at) FROM unnest(decision.due_dates) AS due (at) WHERE due.at > clock.started_at)
            )
    END AS deadline,
    decision.decision_id,
    clock.started_at AS first_seen_at,
    CASE WHEN decision.decision_id IS NOT NULL THEN clock.started_at END AS priority_since,
    %(now)s::timestamptz AS scored_at
FROM work_share
LEFT JOIN heir ON work_share.host_id = heir.host_id AND work_share.advisory_id = heir.advisory_id
CROSS JOIN LATERAL unnest(ARRAY[least(heir.first_seen_at, %(now)s::timestamptz)]) AS clock (started_at)
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
