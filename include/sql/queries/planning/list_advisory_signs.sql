-- What may end the wait of an advisory: when it came out, and what is known of its CVEs.
SELECT
    advisory.advisory_id,
    least(advisory.published_at, advisory.first_seen_at) AS published, -- a date in the future holds nothing back
    min(kev.cve_id) AS kev_cve,
    min(cve_ssvc.cve_id) FILTER (WHERE lower(cve_ssvc.exploitation) = 'active') AS exploited_cve,
    max(epss.probability) AS epss
FROM advisory
LEFT JOIN advisory_cve ON advisory.advisory_id = advisory_cve.advisory_id
LEFT JOIN kev ON advisory_cve.cve_id = kev.cve_id
LEFT JOIN cve_ssvc ON advisory_cve.cve_id = cve_ssvc.cve_id
LEFT JOIN epss ON advisory_cve.cve_id = epss.cve_id
WHERE advisory.advisory_id = any(%(advisory_ids)s)
GROUP BY advisory.advisory_id
