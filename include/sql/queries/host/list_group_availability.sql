-- A group's production hosts; out_because: why one is out of service, NULL while it serves.
SELECT
    host.host_id,
    coalesce(
        CASE WHEN NOT host.reachable THEN 'it was not reachable: ' || coalesce(host.last_error, 'no reason given') END,
        (
            SELECT
                step.phase || ' of ' || step.campaign_id || ' is ' || step.status
                || coalesce(': ' || step.error, '')
            FROM host_step AS step
            INNER JOIN campaign ON step.campaign_id = campaign.campaign_id
            WHERE
                step.host_id = host.host_id
                AND step.phase IN ('patch', 'patch_again', 'restore', 'fence')
                AND step.status IN ('running', 'failed', 'unknown')
                AND campaign.state IN ('rolling_out', 'halted', 'rolling_back')
            ORDER BY step.started_at DESC
            LIMIT 1
        )
    ) AS out_because
FROM host
WHERE
    host.asset_group = %(asset_group)s
    AND host.environment = 'production'
    AND host.retired_at IS NULL
ORDER BY host.host_id
