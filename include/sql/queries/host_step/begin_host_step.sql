INSERT INTO host_step (campaign_id, host_id, phase, plan_hash, status, token, started_at)
VALUES (%(campaign_id)s, %(host_id)s, %(phase)s, %(plan_hash)s, 'running', %(token)s, clock_timestamp())
ON CONFLICT (campaign_id, host_id, phase, plan_hash) DO UPDATE SET
    status = 'running',
    token = excluded.token,
    error = NULL,
    started_at = excluded.started_at,
    finished_at = NULL
WHERE host_step.status <> 'done' AND host_step.token <= excluded.token
