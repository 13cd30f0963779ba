SELECT
    host_id,
    phase,
    status,
    started_at,
    finished_at
FROM host_step
WHERE campaign_id = %(campaign_id)s AND plan_hash = %(plan_hash)s AND phase = %(phase)s AND status = 'done'
ORDER BY finished_at, host_id
