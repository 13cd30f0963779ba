WITH dropped AS (
    DELETE FROM stage_cve
    WHERE cve_id = any(%(cve_ids)s)
),

scores AS (
    DELETE FROM stage_cve_score
    WHERE cve_id = any(%(cve_ids)s)
),

products AS (
    DELETE FROM stage_cve_product
    WHERE cve_id = any(%(cve_ids)s)
)

DELETE FROM stage_cve_ssvc
WHERE cve_id = any(%(cve_ids)s)
