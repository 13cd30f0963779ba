SELECT cve_id
FROM stage_epss
GROUP BY cve_id
HAVING count(*) > 1
ORDER BY cve_id
