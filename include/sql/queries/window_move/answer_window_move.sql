UPDATE window_move
SET
    state = %(state)s,
    state_reason = %(reason)s,
    answered_by = %(answered_by)s,
    comment = %(comment)s,
    answered_at = %(at)s
WHERE move_id = %(move_id)s AND state = 'proposed'
