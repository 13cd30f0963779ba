SELECT
    host_id,
    phase,
    status,
    token,
    report,
    error,
    started_at,
    finished_at
FROM host_step
WHERE campaign_id = %(campaign_id)s AND plan_hash = %(plan_hash)s
ORDER BY started_at, host_id
