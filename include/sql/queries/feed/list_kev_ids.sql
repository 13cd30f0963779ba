SELECT cve_id
FROM kev
ORDER BY cve_id
