SELECT
    finding_id,
    host_id,
    advisory_id,
    source_package,
    installed_version,
    fixed_version,
    packages,
    status,
    priority,
    score,
    deadline,
    reasons,
    campaign_id,
    first_seen_at,
    reopened_at,
    scored_at,
    closed_at
FROM finding
ORDER BY host_id, source_package, advisory_id
