UPDATE incident
SET
    status = %(status)s,
    severity = %(severity)s,
    impact = %(impact)s,
    closed_at = %(closed_at)s
WHERE incident_id = %(incident_id)s AND status <> 'closed'
RETURNING incident_id
