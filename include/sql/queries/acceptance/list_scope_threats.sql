-- What is known now of every CVE that these advisories name.
SELECT
    named.cve_id,
    threat.kev_added,
    coalesce(threat.known_ransomware, FALSE) AS known_ransomware,
    threat.exploitation,
    threat.epss
FROM (
    SELECT DISTINCT advisory_cve.cve_id FROM advisory_cve
    WHERE advisory_cve.advisory_id = any(%(advisory_ids)s::text[])
) AS named
CROSS JOIN LATERAL cve_threat(named.cve_id) AS threat
ORDER BY named.cve_id
