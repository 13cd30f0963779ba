-- What the feeds say now of the CVEs in question, beside what was last seen of them.
WITH wanted AS (
    SELECT DISTINCT advisory_cve.cve_id
    FROM advisory_cve
    WHERE
        EXISTS (
            SELECT 1 FROM own_finding
            WHERE own_finding.advisory_id = advisory_cve.advisory_id AND own_finding.status IN ('open', 'accepted')
        )
        OR EXISTS (
            SELECT 1 FROM shared_finding
            WHERE shared_finding.advisory_id = advisory_cve.advisory_id
        )
),

signal AS (
    SELECT
        live.cve_id,
        array_agg(live.signal ORDER BY live.signal) AS signals
    FROM live_threat_signal(%(at)s) AS live
    GROUP BY live.cve_id
)

SELECT
    wanted.cve_id,
    kev.date_added AS kev_added,
    kev.due_date AS kev_due,
    kev.known_ransomware,
    cve_ssvc.exploitation,
    cve_ssvc.source AS ssvc_source,
    cve_ssvc.dated_at AS ssvc_dated_at,
    epss.probability AS epss,
    epss.score_date AS epss_date,
    epss.model_version AS epss_model,
    coalesce(signal.signals, '{}') AS signals,
    threat_state.cve_id IS NOT NULL AS is_known,
    threat_state.kev_added AS seen_kev_added,
    threat_state.kev_due AS seen_kev_due,
    coalesce(threat_state.known_ransomware, FALSE) AS seen_ransomware,
    threat_state.exploitation AS seen_exploitation,
    threat_state.epss_base,
    threat_state.epss_peak,
    threat_state.epss_model AS seen_epss_model,
    coalesce(threat_state.signals, '{}') AS seen_signals
FROM wanted
LEFT JOIN kev ON wanted.cve_id = kev.cve_id
LEFT JOIN cve_ssvc ON wanted.cve_id = cve_ssvc.cve_id
LEFT JOIN epss ON wanted.cve_id = epss.cve_id
LEFT JOIN signal ON wanted.cve_id = signal.cve_id
LEFT JOIN threat_state ON wanted.cve_id = threat_state.cve_id
ORDER BY wanted.cve_id
