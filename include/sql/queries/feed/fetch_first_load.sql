-- Whether nothing is there that a CVE record could meet: then its rows need not be compared with any.
SELECT
    NOT EXISTS (SELECT 1 FROM cve)
    AND NOT EXISTS (SELECT 1 FROM cve_ssvc)
    AND NOT EXISTS (SELECT 1 FROM cve_product)
    AND NOT EXISTS (
        SELECT 1 FROM cve_score
        WHERE split_part(source, ':', 1) = any(%(scorers)s)
    ) AS first_load
