SELECT
    advisory_cve.cve_id,
    count(*) AS findings,
    count(DISTINCT finding.host_id) AS hosts,
    array_agg(DISTINCT host.asset_group ORDER BY host.asset_group) AS asset_groups
FROM advisory_cve
CROSS JOIN LATERAL (
    SELECT live.host_id
    FROM finding AS live
    WHERE live.advisory_id = advisory_cve.advisory_id AND live.status IN ('open', 'accepted')
    ORDER BY live.advisory_id OFFSET 0 -- advisory by advisory along the keys
) AS finding
INNER JOIN host ON finding.host_id = host.host_id
WHERE advisory_cve.cve_id = any(%(cve_ids)s)
GROUP BY advisory_cve.cve_id
