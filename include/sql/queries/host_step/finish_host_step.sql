UPDATE host_step
SET
    status = %(status)s,
    report = %(report)s,
    error = %(error)s,
    finished_at = clock_timestamp()
WHERE
    campaign_id = %(campaign_id)s AND host_id = %(host_id)s AND phase = %(phase)s
    AND plan_hash = %(plan_hash)s AND token = %(token)s
