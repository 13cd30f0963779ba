-- The window that counts; the plan, and so its hash, stays what was approved.
UPDATE campaign
SET
    window_name = %(to_window)s,
    state_reason = %(reason)s,
    revision = revision + 1,
    updated_at = %(at)s
WHERE
    campaign_id = %(campaign_id)s
    AND plan_hash = %(plan_hash)s
    AND window_name = %(from_window)s
    AND state = any(%(states)s)
