SELECT
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
    scored_at
FROM finding
WHERE host_id = %(host_id)s AND status IN ('open', 'accepted')
ORDER BY
    array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], priority),
    deadline,
    source_package,
    advisory_id
