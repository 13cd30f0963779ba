-- Back to what the feeds say now; signals stay seen, so that the same one is not told again.
UPDATE threat_state
SET
    kev_added = now_said.kev_added,
    kev_due = now_said.kev_due,
    known_ransomware = coalesce(now_said.known_ransomware, FALSE),
    exploitation = now_said.exploitation,
    exploitation_source = now_said.source,
    exploitation_dated_at = now_said.dated_at,
    epss_base = now_said.epss,
    epss_peak = now_said.epss,
    epss_peak_date = now_said.epss_date,
    epss_model = now_said.epss_model,
    seen_at = %(now)s
FROM (
    SELECT
        asked.cve_id,
        kev.date_added AS kev_added,
        kev.due_date AS kev_due,
        kev.known_ransomware,
        cve_ssvc.exploitation,
        cve_ssvc.source,
        cve_ssvc.dated_at,
        epss.probability AS epss,
        epss.score_date AS epss_date,
        epss.model_version AS epss_model
    FROM (SELECT %(cve_id)s::text AS cve_id) AS asked
    LEFT JOIN kev ON asked.cve_id = kev.cve_id
    LEFT JOIN cve_ssvc ON asked.cve_id = cve_ssvc.cve_id
    LEFT JOIN epss ON asked.cve_id = epss.cve_id
) AS now_said
WHERE threat_state.cve_id = now_said.cve_id
RETURNING threat_state.cve_id
