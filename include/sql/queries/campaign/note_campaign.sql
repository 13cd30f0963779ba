UPDATE campaign
SET
    state_reason = %(reason)s,
    updated_at = %(at)s
WHERE campaign_id = %(campaign_id)s
