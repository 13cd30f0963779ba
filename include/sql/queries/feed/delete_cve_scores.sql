-- What these scorers said of these CVEs before: their new word replaces it whole. A scorer is a kind (cna), or one by
-- its whole name (vendor:ubuntu).
DELETE FROM cve_score
WHERE cve_id = any(%(cve_ids)s) AND (split_part(source, ':', 1) = any(%(scorers)s) OR source = any(%(scorers)s))
