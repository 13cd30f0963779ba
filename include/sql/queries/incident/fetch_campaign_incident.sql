SELECT
    incident_id,
    campaign_id,
    status,
    severity,
    summary,
    impact,
    declared_by,
    declared_at,
    closed_at
FROM incident
WHERE campaign_id = %(campaign_id)s
ORDER BY declared_at DESC
LIMIT 1
