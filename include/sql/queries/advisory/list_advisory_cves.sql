SELECT
    advisory_cve.advisory_id,
    array_agg(advisory_cve.cve_id ORDER BY advisory_cve.cve_id) AS cve_ids
FROM advisory_cve
WHERE
    EXISTS (
        SELECT 1 FROM finding
        WHERE finding.advisory_id = advisory_cve.advisory_id AND finding.status IN ('open', 'accepted')
    )
GROUP BY advisory_cve.advisory_id
ORDER BY advisory_cve.advisory_id
