SELECT
    backup_id,
    host_id,
    status,
    snapshot_ref,
    taken_at,
    checked_at,
    restored_at
FROM backup
WHERE campaign_id = %(campaign_id)s
ORDER BY taken_at
