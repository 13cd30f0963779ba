SELECT
    finding.advisory_id,
    finding.source_package,
    finding.installed_version,
    finding.fixed_version,
    finding.packages,
    finding.status,
    finding.priority,
    finding.score,
    finding.deadline,
    finding.reasons,
    finding.campaign_id,
    finding.first_seen_at,
    greatest(finding.scored_at, decision.decided_at) AS scored_at
FROM findings_of_host(%(host_id)s) AS finding
LEFT JOIN decision ON finding.decision_id = decision.decision_id
WHERE finding.status IN ('open', 'accepted')
ORDER BY
    array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], finding.priority),
    finding.deadline,
    finding.source_package,
    finding.advisory_id
