-- The findings that an acceptance covers, as they are now (status NULL: no such finding any more).
SELECT
    pair.host_id,
    pair.advisory_id,
    pair.source_package,
    pair.priority AS priority_then,
    finding.status,
    finding.priority,
    finding.score,
    finding.deadline,
    finding.reopened_at,
    coalesce(named.cve_ids, '{}') AS cve_ids
FROM risk_acceptance_finding AS pair
LEFT JOIN LATERAL finding_of(pair.host_id, pair.advisory_id) AS finding ON TRUE
LEFT JOIN LATERAL (
    SELECT array_agg(advisory_cve.cve_id ORDER BY advisory_cve.cve_id) AS cve_ids
    FROM advisory_cve
    WHERE advisory_cve.advisory_id = pair.advisory_id
) AS named ON TRUE
WHERE pair.acceptance_id = %(acceptance_id)s
ORDER BY pair.host_id, pair.advisory_id
LIMIT %(max_rows)s
