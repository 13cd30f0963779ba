SELECT
    advisory_cve.cve_id,
    count(*) AS findings,
    count(DISTINCT finding.host_id) AS hosts,
    array_agg(DISTINCT host.asset_group ORDER BY host.asset_group) AS asset_groups
FROM advisory_cve
INNER JOIN finding ON advisory_cve.advisory_id = finding.advisory_id
INNER JOIN host ON finding.host_id = host.host_id
WHERE advisory_cve.cve_id = any(%(cve_ids)s) AND finding.status IN ('open', 'accepted')
GROUP BY advisory_cve.cve_id
