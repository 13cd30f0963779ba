UPDATE campaign
SET
    window_name = %(new_window)s,
    plan = %(new_plan)s,
    plan_hash = %(plan_hash)s,
    updated_at = %(at)s
WHERE campaign_id = %(campaign_id)s AND plan_hash = %(expected_hash)s AND state = 'planned'
