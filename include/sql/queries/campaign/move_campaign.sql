UPDATE campaign
SET
    state = %(to_state)s,
    state_reason = %(reason)s,
    revision = revision + 1,
    updated_at = %(at)s
WHERE campaign_id = %(campaign_id)s AND state = %(expected_state)s
RETURNING revision
