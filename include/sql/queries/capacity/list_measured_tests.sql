-- How long a campaign's whole proof on staging took, by asset group: the median over its tested campaigns.
-- A stage's tests run on the hosts side by side, so its longest host counts; likewise a phase's first start to its last
-- end.
WITH tests AS (
    SELECT
        campaign_id,
        sum(seconds) AS seconds
    FROM (
        SELECT
            campaign_id,
            stage,
            max(duration_seconds) AS seconds
        FROM test_run
        GROUP BY campaign_id, stage
    ) AS stages
    GROUP BY campaign_id
),

phases AS (
    SELECT
        campaign_id,
        sum(seconds) AS seconds
    FROM (
        SELECT
            host_step.campaign_id,
            host_step.phase,
            extract(EPOCH FROM max(host_step.finished_at) - min(host_step.started_at))::double precision AS seconds
        FROM host_step
        INNER JOIN host ON host_step.host_id = host.host_id
        WHERE host_step.status = 'done' AND host.environment = 'staging'
        GROUP BY host_step.campaign_id, host_step.phase
    ) AS spans
    GROUP BY campaign_id
)

SELECT
    campaign.asset_group,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY tests.seconds + coalesce(phases.seconds, 0)) AS seconds,
    count(*)::integer AS campaigns
FROM tests
INNER JOIN campaign ON tests.campaign_id = campaign.campaign_id
LEFT JOIN phases ON tests.campaign_id = phases.campaign_id
GROUP BY campaign.asset_group
