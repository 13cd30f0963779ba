-- The findings that an acceptance covers get rows of their own, to be written.
SELECT
    single_out(array(
        SELECT finding.finding_id
        FROM risk_acceptance_finding AS pair
        CROSS JOIN LATERAL finding_of(pair.host_id, pair.advisory_id) AS finding
        WHERE pair.acceptance_id = %(acceptance_id)s AND finding.status = 'open'
    )) AS singled_out
