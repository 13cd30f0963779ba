-- Hosts on which a campaign in quarantine acted (`entering` steps write its address there), and whose apt source nobody
-- has written without it since: by a `leaving` step, or by an entering step of a regular campaign.
WITH acted AS (
    SELECT
        campaign.campaign_id,
        campaign.state,
        campaign.plan_hash,
        campaign.plan -> 'extra' ->> 'case_id' AS case_id,
        host_step.host_id,
        max(host_step.started_at) AS since
    FROM campaign
    INNER JOIN host_step ON campaign.campaign_id = host_step.campaign_id
    INNER JOIN host ON host_step.host_id = host.host_id
    WHERE
        campaign.plan -> 'extra' ->> 'repository' = 'quarantine'
        AND (%(campaign_id)s::text IS NULL OR campaign.campaign_id = %(campaign_id)s)
        AND host_step.phase = any(%(entering)s)
        AND host.retired_at IS NULL
    GROUP BY campaign.campaign_id, host_step.host_id
),

rewritten AS (
    SELECT
        host_step.host_id,
        max(host_step.started_at) AS at
    FROM host_step
    INNER JOIN campaign ON host_step.campaign_id = campaign.campaign_id
    WHERE
        host_step.host_id IN (SELECT acted.host_id FROM acted)
        AND host_step.status = 'done'
        AND (
            host_step.phase = %(leaving)s
            OR (
                host_step.phase = any(%(entering)s)
                AND campaign.plan -> 'extra' ->> 'repository' IS DISTINCT FROM 'quarantine'
            )
        )
    GROUP BY host_step.host_id
)

SELECT
    acted.campaign_id,
    acted.case_id,
    acted.state,
    acted.host_id,
    acted.since,
    leaving.status,
    leaving.error,
    leaving.started_at AS tried_at
FROM acted
LEFT JOIN rewritten ON acted.host_id = rewritten.host_id
LEFT JOIN host_step AS leaving
    ON
        acted.campaign_id = leaving.campaign_id
        AND acted.host_id = leaving.host_id
        AND acted.plan_hash = leaving.plan_hash
        AND leaving.phase = %(leaving)s
WHERE rewritten.at IS NULL OR rewritten.at <= acted.since
ORDER BY acted.campaign_id, acted.host_id
