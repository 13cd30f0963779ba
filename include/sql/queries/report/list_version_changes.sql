-- What a campaign changed on its hosts: each package's version before the patch, the patched one, and what it has
-- now, by the last step that changed it (staging goes back and forward again, and is put back in the end). A patch
-- that was tried twice finds its own work the second time: what it replaced is in its way back.
SELECT
    changed.host_id,
    changed.ring,
    changed.package,
    changed.before,
    changed.patched,
    coalesce(newest.report #>> ARRAY['after', 'versions', changed.package], changed.patched) AS after,
    newest.phase LIKE 'restore%%' AS restored
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
CROSS JOIN LATERAL (
    SELECT
        step.phase,
        step.report
    FROM host_step AS step
    WHERE
        step.campaign_id = %(campaign_id)s
        AND step.host_id = changed.host_id
        AND step.plan_hash = changed.plan_hash
        AND step.phase IN ('patch', 'patch_again', 'patch_mirror', 'restore', 'restore_mirror')
        AND (step.status = 'done' OR step.phase = 'patch')
    ORDER BY step.started_at DESC
    LIMIT 1
) AS newest
WHERE changed.before IS DISTINCT FROM changed.patched
ORDER BY changed.host_id, changed.package
