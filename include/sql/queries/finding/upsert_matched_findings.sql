-- A new match becomes a finding; one that was closed opens again, its clock anew; one that is open is only brought up
-- to date. An accepted one stays accepted: acceptance is a person's decision.
INSERT INTO finding (
    host_id, advisory_id, source_package, installed_version, fixed_version, packages, status, priority, score, deadline,
    reasons, first_seen_at, scored_at
)
SELECT
    vulnerable.host_id,
    vulnerable.advisory_id,
    vulnerable.source_package,
    vulnerable.installed_version,
    vulnerable.fixed_version,
    vulnerable.packages,
    'open' AS status,
    %(priority)s,
    NULL AS score,
    %(deadline)s,
    %(reasons)s,
    %(now)s AS first_seen_at,
    %(now)s AS scored_at
FROM vulnerable_host_source AS vulnerable
ON CONFLICT (host_id, advisory_id) DO UPDATE
    SET
        installed_version = excluded.installed_version,
        fixed_version = excluded.fixed_version,
        packages = excluded.packages,
        status = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN 'open' ELSE finding.status END,
        reopened_at
        = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN excluded.first_seen_at ELSE finding.reopened_at END,
        priority = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN excluded.priority ELSE finding.priority END,
        priority_since = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.priority_since END,
        deadline = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN excluded.deadline ELSE finding.deadline END,
        campaign_id = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.campaign_id END,
        closed_at = CASE WHEN finding.status IN ('fixed', 'withdrawn') THEN NULL ELSE finding.closed_at END
    WHERE
    finding.status IN ('fixed', 'withdrawn')
    OR finding.installed_version <> excluded.installed_version
    OR finding.packages <> excluded.packages
RETURNING host_id, advisory_id, (xmax = 0) AS is_new, (reopened_at IS NOT DISTINCT FROM %(now)s) AS is_reopened
