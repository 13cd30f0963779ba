-- A bulk load knows its counts and its digest only at its end, in the transaction that wrote the row.
UPDATE feed_snapshot
SET content_sha256 = %(content_sha256)s, record_count = %(record_count)s, quarantined_count = %(quarantined_count)s
WHERE snapshot_id = %(snapshot_id)s
