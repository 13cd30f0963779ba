SELECT
    seat,
    role,
    voter,
    decision,
    comment,
    terms_hash,
    decided_at
FROM risk_acceptance_vote
WHERE acceptance_id = %(acceptance_id)s
ORDER BY seat
