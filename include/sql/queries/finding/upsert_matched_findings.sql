-- A new match becomes a finding; one that was closed opens again, its clock anew; one that is open is only brought up
-- to date. An accepted one stays accepted: acceptance is a person's decision. One that takes the place of another (the
-- same vulnerability in the same package: `same_as` in the pair's grounds) takes its clock.
WITH heir AS (
    SELECT
        vulnerable.host_id,
        vulnerable.advisory_id,
        min(coalesce(finding.reopened_at, finding.first_seen_at)) AS first_seen_at,
        min(finding.deadline) AS deadline
    FROM vulnerable_host_source AS vulnerable
    INNER JOIN advisory_pair
        ON
            vulnerable.advisory_id = advisory_pair.advisory_id
            AND vulnerable.installed_version = advisory_pair.source_version
            AND vulnerable.source_package = advisory_pair.source_package
    INNER JOIN finding
        ON
            vulnerable.host_id = finding.host_id
            AND advisory_pair.grounds -> 'same_as' ? finding.advisory_id
    WHERE advisory_pair.grounds ? 'same_as' AND finding.status IN ('open', 'accepted')
    GROUP BY vulnerable.host_id, vulnerable.advisory_id
)

INSERT INTO finding (
    host_id, advisory_id, ecosystem, source_package, installed_version, fixed_version, packages, conditions, status,
    priority, score, deadline, reasons, first_seen_at, scored_at
)
SELECT
    vulnerable.host_id,
    vulnerable.advisory_id,
    vulnerable.ecosystem,
    vulnerable.source_package,
    vulnerable.installed_version,
    vulnerable.fixed_version,
    vulnerable.packages,
    vulnerable.conditions,
    'open' AS status,
    %(priority)s,
    NULL AS score,
    least(heir.deadline, %(deadline)s) AS deadline,
    %(reasons)s,
    least(heir.first_seen_at, %(now)s) AS first_seen_at,
    %(now)s AS scored_at
FROM vulnerable_host_source AS vulnerable
LEFT JOIN heir ON vulnerable.host_id = heir.host_id AND vulnerable.advisory_id = heir.advisory_id
ON CONFLICT (host_id, advisory_id) DO UPDATE
    SET
        installed_version = excluded.installed_version,
        fixed_version = excluded.fixed_version,
        packages = excluded.packages,
        conditions = excluded.conditions,
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
    OR finding.fixed_version IS DISTINCT FROM excluded.fixed_version
    OR finding.packages <> excluded.packages
    OR finding.conditions <> excluded.conditions
RETURNING
    host_id,
    advisory_id,
    (xmax = 0) AS is_new,
    (reopened_at IS NOT DISTINCT FROM %(now)s AND xmax <> 0) AS is_reopened
