UPDATE campaign
SET
    plan = %(plan)s,
    plan_hash = %(plan_hash)s,
    revision = revision + 1,
    updated_at = %(at)s
WHERE campaign_id = %(campaign_id)s AND plan_hash = %(expected_hash)s
