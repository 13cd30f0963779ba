-- One that was closed opens again, its clock anew; one that is open is only brought up to date. An accepted one stays
-- accepted: acceptance is a person's decision.
WITH touched AS (
    UPDATE finding
    SET
        installed_version = work_share.installed_version,
        fixed_version = work_share.fixed_version,
        packages = work_share.packages,
        conditions = work_share.conditions,
        status = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN 'open' ELSE finding.status END,
        reopened_at
        = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN %(now)s::timestamptz ELSE finding.reopened_at END,
        priority = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN %(priority)s ELSE finding.priority END,
        priority_since = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.priority_since END,
        deadline
        = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN %(deadline)s::timestamptz ELSE finding.deadline END,
        campaign_id = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.campaign_id END,
        closed_at = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.closed_at END
    FROM work_share
    WHERE
        finding.host_id = work_share.host_id
        AND finding.advisory_id = work_share.advisory_id
        AND (
            finding.status IN ('fixed', 'withdrawn')
            OR finding.installed_version <> work_share.installed_version
            OR finding.fixed_version IS DISTINCT FROM work_share.fixed_version
            OR finding.packages <> work_share.packages
            OR finding.conditions <> work_share.conditions
        )
    RETURNING finding.reopened_at IS NOT DISTINCT FROM %(now)s::timestamptz AS is_reopened
)

SELECT
    count(*) FILTER (WHERE is_reopened) AS reopened,
    count(*) FILTER (WHERE NOT is_reopened) AS updated
FROM touched
