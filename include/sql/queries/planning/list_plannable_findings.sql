-- Open findings on production hosts that no live campaign carries, whose fixed version was not retired for the group.
SELECT
    finding.finding_id,
    finding.host_id,
    finding.advisory_id,
    finding.source_package,
    finding.fixed_version,
    finding.priority,
    finding.score,
    finding.deadline,
    coalesce(decision.reasons ->> 'sentence', 'Matched, not scored yet.') AS sentence,
    decision.reasons -> 'clocks' AS clocks,
    decision.reasons -> 'required_tasks' AS required_tasks,
    host.asset_group,
    advisory.source,
    debian_version.sort_key
FROM finding
INNER JOIN host ON finding.host_id = host.host_id
INNER JOIN advisory ON finding.advisory_id = advisory.advisory_id
INNER JOIN debian_version ON finding.fixed_version = debian_version.version
LEFT JOIN decision ON finding.decision_id = decision.decision_id
LEFT JOIN campaign ON finding.campaign_id = campaign.campaign_id
WHERE
    finding.status = 'open'
    AND host.environment = 'production'
    AND host.retired_at IS NULL
    AND (finding.campaign_id IS NULL OR campaign.state IN ('closed', 'rolled_back', 'superseded'))
    AND NOT EXISTS (
        SELECT 1
        FROM retired_version
        WHERE
            retired_version.source_package = finding.source_package
            AND retired_version.source_version = finding.fixed_version
            AND retired_version.asset_group IN ('*', host.asset_group)
    )
ORDER BY host.asset_group, advisory.source, finding.source_package, finding.host_id, finding.finding_id
