INSERT INTO incident (
    incident_id, campaign_id, status, severity, summary, impact, declared_by, declared_at
)
VALUES (
    %(incident_id)s, %(campaign_id)s, 'open', %(severity)s, %(summary)s, %(impact)s, %(declared_by)s, %(declared_at)s
)
ON CONFLICT (incident_id) DO NOTHING
RETURNING incident_id
