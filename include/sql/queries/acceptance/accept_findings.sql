-- Only what is signed and still open: what was fixed meanwhile stays fixed. After single_out_accepted.
UPDATE own_finding AS finding
SET status = 'accepted'
FROM risk_acceptance_finding AS pair
WHERE
    pair.acceptance_id = %(acceptance_id)s
    AND finding.host_id = pair.host_id
    AND finding.advisory_id = pair.advisory_id
    AND finding.status = 'open'
