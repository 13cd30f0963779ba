SELECT cve_id
FROM cve
WHERE cve_id = any(%(cve_ids)s) AND upper(state) = 'REJECTED'
ORDER BY cve_id
