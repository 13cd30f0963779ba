SELECT DISTINCT cve_score.vector
FROM cve_score
WHERE
    cve_score.vector <> ''
    AND NOT EXISTS (SELECT 1 FROM vector_score WHERE vector_score.vector = cve_score.vector)
