INSERT INTO campaign (
    campaign_id, title, state, state_reason, source, asset_group, requested_by, priority, deadline, window_name,
    plan, plan_hash, reasons, created_at, updated_at
)
VALUES (
    %(campaign_id)s, %(title)s, %(state)s, %(state_reason)s, %(source)s, %(asset_group)s, %(requested_by)s,
    %(priority)s, %(deadline)s, %(window_name)s, %(plan)s, %(plan_hash)s, %(reasons)s, %(at)s, %(at)s
)
