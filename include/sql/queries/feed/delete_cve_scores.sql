-- What these scorers said of the staged CVEs before and say no longer: their new word replaces it whole. A scorer is a
-- kind (cna), or one by its whole name (vendor:ubuntu).
DELETE FROM cve_score
WHERE
    cve_id IN (
        SELECT stage_cve.cve_id FROM stage_cve
        UNION
        SELECT stage_cve_score.cve_id FROM stage_cve_score
    )
    AND (split_part(source, ':', 1) = any(%(scorers)s) OR source = any(%(scorers)s))
    AND NOT EXISTS (
        SELECT 1
        FROM stage_cve_score AS row
        WHERE
            row.cve_id = cve_score.cve_id
            AND row.source = cve_score.source
            AND row.cvss_version = cve_score.cvss_version
            AND row.vector = cve_score.vector
    )
