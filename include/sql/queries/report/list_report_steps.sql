SELECT
    host_id,
    phase,
    plan_hash,
    status,
    report,
    error,
    started_at,
    finished_at
FROM host_step
WHERE campaign_id = %(campaign_id)s
ORDER BY started_at, host_id, phase
