SELECT
    phase AS step,
    extract(EPOCH FROM max(finished_at) - min(started_at)) AS seconds
FROM host_step
WHERE campaign_id = %(campaign_id)s AND status = 'done'
GROUP BY phase
ORDER BY min(started_at)
