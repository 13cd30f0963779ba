INSERT INTO window_move (
    campaign_id, plan_hash, from_window, to_window, reason, state, state_reason, proposed_at, answer_by
)
VALUES (
    %(campaign_id)s, %(plan_hash)s, %(from_window)s, %(to_window)s, %(reason)s, 'proposed', 'It waits for an answer.',
    %(at)s, %(answer_by)s
)
ON CONFLICT DO NOTHING
RETURNING move_id
