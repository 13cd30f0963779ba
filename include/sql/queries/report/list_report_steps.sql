-- Of a phase's report only what it saw of the host: the rest is long, and a fleet has thousands of them.
SELECT
    host_id,
    phase,
    plan_hash,
    status,
    jsonb_build_object('state', report -> 'state', 'after', report -> 'after') AS report,
    error,
    started_at,
    finished_at
FROM host_step
WHERE campaign_id = %(campaign_id)s
ORDER BY started_at, host_id, phase
