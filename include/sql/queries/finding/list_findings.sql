-- scored_at: when the finding's priority, score, deadline or reasons last changed.
SELECT
    finding.finding_id,
    finding.host_id,
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
    finding.reopened_at,
    finding.priority_since,
    greatest(finding.scored_at, decision.decided_at) AS scored_at,
    finding.closed_at
FROM finding
LEFT JOIN decision ON finding.decision_id = decision.decision_id
ORDER BY finding.host_id, finding.source_package, finding.advisory_id
