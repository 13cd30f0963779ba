-- Accepted findings that no signed acceptance covers any more are open again; their clock starts now, with the time
-- that policy gives to their priority, or until the catalogue's due date where that comes first.
WITH reopened AS (
    UPDATE own_finding AS finding
    SET
        status = 'open',
        reopened_at = %(now)s,
        priority_since = %(now)s,
        deadline = least(
            %(now)s::timestamptz
            + make_interval(
                secs => 3600 * CASE
                    WHEN
                        coalesce(
                            (SELECT decision.reasons FROM decision WHERE decision.decision_id = finding.decision_id),
                            '{"state": "unscored"}'::jsonb
                        ) ->> 'state' = 'unscored'
                        THEN %(unscored_hours)s::double precision
                    ELSE (%(hours)s::jsonb ->> finding.priority)::double precision
                END
            ),
            (
                SELECT min((threat.kev_due + time '23:59:59') AT TIME ZONE 'UTC')
                FROM advisory_cve
                CROSS JOIN LATERAL cve_threat(advisory_cve.cve_id) AS threat
                WHERE
                    advisory_cve.advisory_id = finding.advisory_id
                    AND (threat.kev_due + time '23:59:59') AT TIME ZONE 'UTC' > %(now)s
            )
        )
    WHERE
        finding.status = 'accepted'
        AND NOT EXISTS (
            SELECT 1
            FROM accepted_finding
            WHERE accepted_finding.host_id = finding.host_id AND accepted_finding.advisory_id = finding.advisory_id
        )
    RETURNING finding.finding_id, finding.host_id, finding.advisory_id, finding.priority, finding.deadline
),

marked AS (
    INSERT INTO score_change (advisory_id)
    SELECT DISTINCT advisory_id FROM reopened
)

SELECT * FROM reopened
