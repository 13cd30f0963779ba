-- Every acceptance (of an id, of a state), newest first, with how many findings and hosts it covers, and how many of
-- these findings are still live.
SELECT
    risk_acceptance.*,
    covered.findings,
    covered.hosts,
    covered.live_findings
FROM risk_acceptance
CROSS JOIN LATERAL (
    SELECT
        count(*) AS findings,
        count(DISTINCT pair.host_id) AS hosts,
        count(finding.finding_id) AS live_findings
    FROM risk_acceptance_finding AS pair
    LEFT JOIN LATERAL finding_of(pair.host_id, pair.advisory_id) AS finding
        ON finding.status IN ('open', 'accepted')
    WHERE pair.acceptance_id = risk_acceptance.acceptance_id
) AS covered
WHERE
    (%(acceptance_id)s::text IS NULL OR risk_acceptance.acceptance_id = %(acceptance_id)s)
    AND (%(state)s::text IS NULL OR risk_acceptance.state = %(state)s)
ORDER BY risk_acceptance.requested_at DESC, risk_acceptance.acceptance_id DESC
