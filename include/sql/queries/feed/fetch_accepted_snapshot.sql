SELECT
    snapshot_id,
    url,
    content_sha256,
    etag,
    last_modified,
    data_date,
    record_count,
    fetched_at
FROM feed_snapshot
WHERE source = %(source)s AND status = 'accepted'
ORDER BY snapshot_id DESC
LIMIT 1
