-- Campaigns not yet rolling that carry an open finding whose CVE became more urgent since a moment: the most urgent
-- priority and the earliest deadline of all their open findings, and the changes.
WITH changed AS (
    SELECT
        urgency_change.cve_id,
        array_agg(urgency_change.reason ORDER BY urgency_change.change_id DESC) AS reasons,
        max(urgency_change.detected_at) AS changed_at
    FROM urgency_change
    WHERE urgency_change.kind <> 'released' AND urgency_change.detected_at >= %(since)s
    GROUP BY urgency_change.cve_id
),

carried AS (
    SELECT
        finding.campaign_id,
        changed.reasons,
        changed.changed_at
    FROM changed
    INNER JOIN advisory_cve ON changed.cve_id = advisory_cve.cve_id
    INNER JOIN finding ON advisory_cve.advisory_id = finding.advisory_id
    WHERE finding.status = 'open' AND finding.campaign_id IS NOT NULL
)

SELECT
    campaign.campaign_id,
    campaign.state,
    reported.reasons,
    reported.changed_at,
    worst.priority,
    worst.deadline
FROM campaign
CROSS JOIN LATERAL (
    SELECT
        array_agg(DISTINCT told.reason ORDER BY told.reason) AS reasons,
        max(carried.changed_at) AS changed_at
    FROM carried
    CROSS JOIN LATERAL unnest(carried.reasons) AS told (reason)
    WHERE carried.campaign_id = campaign.campaign_id
) AS reported
CROSS JOIN LATERAL (
    SELECT
        (array_agg(
            finding.priority
            ORDER BY array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], finding.priority)
        ))[1] AS priority,
        min(finding.deadline) AS deadline
    FROM finding
    WHERE finding.campaign_id = campaign.campaign_id AND finding.status = 'open'
) AS worst
WHERE reported.reasons IS NOT NULL AND campaign.state = any(%(states)s)
ORDER BY campaign.campaign_id
