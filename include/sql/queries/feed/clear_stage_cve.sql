TRUNCATE stage_cve, stage_cve_score, stage_cve_ssvc, stage_cve_product
