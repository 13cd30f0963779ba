-- Of findings that have rows of their own: one that was closed opens again, its clock anew; one that is open is only
-- brought up to date. An accepted one stays accepted: acceptance is a person's decision.
WITH shown AS MATERIALIZED (
    SELECT
        work_shown.host_no,
        work_outcome.*
    FROM work_shown
    INNER JOIN work_outcome
        ON
            work_shown.holding_id = work_outcome.holding_id
            AND work_shown.kind_id = work_outcome.kind_id
            AND work_shown.advisory_id = work_outcome.advisory_id
),

touched AS (
    UPDATE own_finding AS finding
    SET
        installed_version = shown.installed_version,
        fixed_version = shown.fixed_version,
        packages = shown.packages,
        conditions = shown.conditions,
        status = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN 'open' ELSE finding.status END,
        reopened_at
        = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN %(now)s::timestamptz ELSE finding.reopened_at END,
        priority = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN %(priority)s ELSE finding.priority END,
        priority_since = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.priority_since END,
        deadline
        = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN %(deadline)s::timestamptz ELSE finding.deadline END,
        campaign_id = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.campaign_id END,
        closed_at = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.closed_at END
    FROM shown
    INNER JOIN work_standing
        ON shown.host_no = work_standing.host_no AND shown.advisory_id = work_standing.advisory_id
    WHERE
        finding.finding_id = work_standing.finding_id
        AND (
            finding.status IN ('fixed', 'withdrawn')
            OR finding.installed_version <> shown.installed_version
            OR finding.fixed_version IS DISTINCT FROM shown.fixed_version
            OR finding.packages <> shown.packages
            OR finding.conditions <> shown.conditions
        )
    RETURNING finding.reopened_at IS NOT DISTINCT FROM %(now)s::timestamptz AS is_reopened
)

SELECT
    count(*) FILTER (WHERE is_reopened) AS reopened,
    count(*) FILTER (WHERE NOT is_reopened) AS updated
FROM touched
