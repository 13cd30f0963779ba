SELECT
    acceptance_id,
    answer_by
FROM risk_acceptance
WHERE state = 'requested' AND answer_by < %(at)s
ORDER BY acceptance_id
