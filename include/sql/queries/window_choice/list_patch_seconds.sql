-- How long patching one production host took, by asset group: the median of the newest steps.
SELECT
    asset_group,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds,
    count(*)::integer AS steps
FROM (
    SELECT
        host.asset_group,
        extract(EPOCH FROM host_step.finished_at - host_step.started_at)::double precision AS seconds,
        row_number() OVER (PARTITION BY host.asset_group ORDER BY host_step.finished_at DESC) AS place
    FROM host_step
    INNER JOIN host ON host_step.host_id = host.host_id
    WHERE
        host_step.status = 'done'
        AND host_step.phase = 'patch'
        AND host.environment = 'production'
        AND host_step.finished_at > host_step.started_at
) AS newest
WHERE place <= 200
GROUP BY asset_group
