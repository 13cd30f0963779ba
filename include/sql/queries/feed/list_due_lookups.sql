-- The CVEs that advisories name and that were never, or not lately, asked for; those never asked for first.
SELECT
    named.cve_id,
    cve_lookup.etag,
    cve_lookup.content_sha256,
    cve_lookup.status,
    cve.modified_at
FROM (
    SELECT DISTINCT advisory_cve.cve_id
    FROM advisory_cve
    INNER JOIN advisory ON advisory_cve.advisory_id = advisory.advisory_id
    WHERE advisory.withdrawn_at IS NULL AND advisory_cve.cve_id LIKE 'CVE-%%'
) AS named
LEFT JOIN cve_lookup ON named.cve_id = cve_lookup.cve_id AND cve_lookup.source = %(source)s
LEFT JOIN cve ON named.cve_id = cve.cve_id AND cve.source = 'cve5'
WHERE cve_lookup.looked_up_at IS NULL OR cve_lookup.looked_up_at <= %(older_than)s
ORDER BY cve_lookup.looked_up_at NULLS FIRST, named.cve_id
LIMIT %(max_rows)s
