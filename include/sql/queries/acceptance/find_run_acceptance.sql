SELECT *
FROM risk_acceptance
WHERE run_id = %(run_id)s
