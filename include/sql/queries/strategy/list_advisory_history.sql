-- Every advisory that still stands, as history: its day, its package, its CVEs.
SELECT
    advisory.advisory_id,
    advisory.source_package,
    advisory.fixed_version,
    advisory.codename,
    advisory.title,
    least(advisory.published_at, advisory.first_seen_at)::date AS published,
    array_remove(array_agg(advisory_cve.cve_id ORDER BY advisory_cve.cve_id), NULL) AS cves
FROM advisory
LEFT JOIN advisory_cve ON advisory.advisory_id = advisory_cve.advisory_id
WHERE advisory.withdrawn_at IS NULL
GROUP BY advisory.advisory_id
ORDER BY published, advisory.advisory_id
