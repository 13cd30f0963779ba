SELECT
    cve_id,
    modified_at
FROM cve
WHERE cve_id = any(%(cve_ids)s) AND source = %(source)s AND modified_at IS NOT NULL
ORDER BY cve_id
