-- Which acceptances hold is asked only where a signed one covers one of the campaign's findings: it looks at the whole
-- fleet. MATERIALIZED keeps the condition in front of it: as a part of the join below it was tested after the asking.
WITH holding AS MATERIALIZED (
    SELECT asked.*
    FROM accepted_finding_at(statement_timestamp()) AS asked
    WHERE EXISTS (
        SELECT own.finding_id
        FROM finding AS own
        INNER JOIN risk_acceptance_finding AS pair
            ON own.host_id = pair.host_id AND own.advisory_id = pair.advisory_id
        INNER JOIN risk_acceptance ON pair.acceptance_id = risk_acceptance.acceptance_id
        WHERE own.campaign_id = %(campaign_id)s AND risk_acceptance.state = 'active'
    )
)

SELECT
    finding.finding_id,
    finding.host_id,
    finding.advisory_id,
    finding.source_package,
    finding.installed_version,
    finding.fixed_version,
    finding.status,
    finding.priority,
    finding.score,
    finding.deadline,
    finding.first_seen_at,
    finding.closed_at,
    coalesce(named.cve_ids, '{}') AS cve_ids,
    holding.acceptance_id,
    holding.expires_at AS accepted_until,
    holding.residual_risk
FROM finding
LEFT JOIN LATERAL (
    SELECT array_agg(advisory_cve.cve_id ORDER BY advisory_cve.cve_id) AS cve_ids
    FROM advisory_cve
    WHERE advisory_cve.advisory_id = finding.advisory_id
) AS named ON TRUE
LEFT JOIN holding
    ON finding.host_id = holding.host_id AND finding.advisory_id = holding.advisory_id
WHERE finding.campaign_id = %(campaign_id)s
ORDER BY finding.host_id, finding.source_package
