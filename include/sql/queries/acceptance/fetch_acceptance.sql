SELECT *
FROM risk_acceptance
WHERE acceptance_id = %(acceptance_id)s
