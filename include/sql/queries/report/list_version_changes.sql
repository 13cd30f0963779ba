-- What a campaign changed on its hosts: each package's version before the patch, after it, and now (after a restore, if
-- there was one). A patch that was tried twice finds its own work the second time: what it replaced is in its way back.
SELECT
    changed.host_id,
    changed.ring,
    changed.package,
    changed.before,
    changed.patched,
    CASE WHEN restored.report IS NULL THEN changed.patched ELSE restored.report #>> ARRAY[
        'after', 'versions', changed.package
    ] END AS after,
    restored.report IS NOT NULL AS restored
FROM (
    SELECT
        host_step.host_id,
        host_step.plan_hash,
        campaign_host.ring,
        version.key AS package,
        version.value AS patched,
        coalesce(
            host_step.report #>> ARRAY['way_back', 'replaced', version.key, 'version'],
            host_step.report #>> ARRAY['before', 'versions', version.key]
        ) AS before
    FROM host_step
    INNER JOIN campaign_host
        ON host_step.campaign_id = campaign_host.campaign_id AND host_step.host_id = campaign_host.host_id
    CROSS JOIN LATERAL jsonb_each_text(coalesce(host_step.report #> '{after,versions}', '{}')) AS version
    WHERE host_step.campaign_id = %(campaign_id)s AND host_step.phase = 'patch'
) AS changed
LEFT JOIN host_step AS restored
    ON
        restored.campaign_id = %(campaign_id)s
        AND changed.host_id = restored.host_id
        AND changed.plan_hash = restored.plan_hash
        AND restored.phase = 'restore'
        AND restored.status = 'done'
        -- Staging goes back and forward again: what was put back is then not what runs.
        AND NOT EXISTS (
            SELECT 1 FROM host_step AS again
            WHERE
                again.campaign_id = restored.campaign_id
                AND again.host_id = restored.host_id
                AND again.plan_hash = restored.plan_hash
                AND again.phase = 'patch_again'
                AND again.started_at >= restored.started_at
        )
WHERE changed.before IS DISTINCT FROM changed.patched
ORDER BY changed.host_id, changed.package
