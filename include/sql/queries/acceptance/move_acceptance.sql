UPDATE risk_acceptance
SET
    state = %(to_state)s,
    state_reason = %(reason)s,
    revision = revision + 1,
    signed_at = coalesce(%(signed_at)s::timestamptz, signed_at),
    ended_at = %(ended_at)s::timestamptz,
    ended_grounds = %(ended_grounds)s,
    updated_at = %(at)s
WHERE acceptance_id = %(acceptance_id)s AND state = %(expected_state)s
RETURNING revision
