-- Everything the sources say of the CVEs that some advisories name, one row a CVE. Threat facts are never less than
-- what was seen before (cve_threat): only a person lowers them.
WITH wanted AS (
    SELECT DISTINCT advisory_cve.cve_id
    FROM advisory_cve
    WHERE advisory_cve.advisory_id = any(%(advisory_ids)s::text[])
),

scores AS (
    SELECT
        cve_score.cve_id,
        jsonb_agg(
            jsonb_build_object(
                'source', cve_score.source,
                'cvss_version', cve_score.cvss_version,
                'vector', cve_score.vector,
                'base_score', cve_score.base_score,
                'severity', cve_score.severity,
                'dated_at', cve_score.dated_at
            )
            ORDER BY cve_score.source, cve_score.cvss_version, cve_score.vector
        ) AS claims
    FROM cve_score
    INNER JOIN wanted ON cve_score.cve_id = wanted.cve_id
    GROUP BY cve_score.cve_id
)

SELECT
    wanted.cve_id,
    cve.state,
    scores.claims,
    threat.exploitation,
    cve_ssvc.automatable,
    cve_ssvc.technical_impact,
    threat.ssvc_source,
    threat.ssvc_dated_at,
    threat.kev_added,
    threat.kev_due,
    threat.known_ransomware,
    threat.epss,
    threat.epss_date,
    -- A record that came by a bulk load was not asked for, and is there all the same.
    coalesce(cve_lookup.status, CASE WHEN cve.source = 'cve5' THEN 'found' END) AS record_status,
    coalesce(cve.modified_at, cve_lookup.looked_up_at) AS record_as_of,
    (
        SELECT max(coalesce(feed_snapshot.data_date, feed_snapshot.fetched_at))
        FROM feed_snapshot
        WHERE feed_snapshot.source = 'kev' AND feed_snapshot.status = 'accepted'
    ) AS kev_as_of
FROM wanted
LEFT JOIN cve ON wanted.cve_id = cve.cve_id
LEFT JOIN scores ON wanted.cve_id = scores.cve_id
LEFT JOIN cve_ssvc ON wanted.cve_id = cve_ssvc.cve_id
CROSS JOIN LATERAL cve_threat(wanted.cve_id) AS threat
LEFT JOIN cve_lookup ON wanted.cve_id = cve_lookup.cve_id AND cve_lookup.source = 'cve5'
ORDER BY wanted.cve_id
