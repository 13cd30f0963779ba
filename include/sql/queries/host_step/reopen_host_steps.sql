UPDATE host_step
SET status = 'unknown', error = %(reason)s
WHERE
    campaign_id = %(campaign_id)s AND plan_hash = %(plan_hash)s AND host_id = any(%(host_ids)s)
    AND phase = any(%(phases)s) AND status = 'done'
