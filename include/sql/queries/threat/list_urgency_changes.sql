-- The newest first, with the campaigns that carry an open finding of the CVE now.
SELECT
    urgency_change.*,
    coalesce(carried.campaigns, '{}') AS campaigns
FROM urgency_change
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT finding.campaign_id ORDER BY finding.campaign_id) AS campaigns
    FROM advisory_cve
    INNER JOIN finding ON advisory_cve.advisory_id = finding.advisory_id
    WHERE advisory_cve.cve_id = urgency_change.cve_id AND finding.status = 'open' AND finding.campaign_id IS NOT NULL
) AS carried ON TRUE
WHERE %(cve_id)s::text IS NULL OR urgency_change.cve_id = %(cve_id)s
ORDER BY urgency_change.detected_at DESC, urgency_change.change_id DESC
LIMIT %(max_rows)s
