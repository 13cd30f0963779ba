-- The next seat gets its own time to answer.
UPDATE risk_acceptance
SET
    answer_by = %(answer_by)s,
    updated_at = %(at)s
WHERE acceptance_id = %(acceptance_id)s AND state = 'requested'
