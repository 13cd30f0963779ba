INSERT INTO feed_snapshot (
    source, url, status, reason, content_sha256, etag, last_modified, data_date, dated_snapshot, record_count,
    quarantined_count, fetched_at
)
VALUES (
    %(source)s, %(url)s, %(status)s, %(reason)s, %(content_sha256)s, %(etag)s, %(last_modified)s, %(data_date)s,
    %(dated_snapshot)s, %(record_count)s, %(quarantined_count)s, %(fetched_at)s
)
RETURNING snapshot_id
