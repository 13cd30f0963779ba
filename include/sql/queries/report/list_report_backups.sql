SELECT
    host_id,
    tool,
    repository,
    snapshot_ref,
    status,
    taken_at,
    checked_at,
    restored_at,
    size_bytes,
    details
FROM backup
WHERE campaign_id = %(campaign_id)s
ORDER BY backup_id
