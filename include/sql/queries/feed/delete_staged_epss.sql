DELETE FROM stage_epss
WHERE cve_id = any(%(cve_ids)s)
