-- Whoever votes or signs comes one after the other.
SELECT *
FROM risk_acceptance
WHERE acceptance_id = %(acceptance_id)s
FOR UPDATE
