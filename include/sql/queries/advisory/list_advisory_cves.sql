SELECT
    advisory_id,
    array_agg(cve_id ORDER BY cve_id) AS cve_ids
FROM advisory_cve
WHERE advisory_id = any(%(advisory_ids)s::text[])
GROUP BY advisory_id
ORDER BY advisory_id
