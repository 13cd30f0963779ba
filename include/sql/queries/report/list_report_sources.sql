-- Each feed: its last try, and beside it the last data that was good.
SELECT
    latest.source,
    latest.url,
    latest.status,
    latest.reason,
    latest.fetched_at,
    good.fetched_at AS good_fetched_at,
    good.data_date,
    good.dated_snapshot,
    good.record_count,
    good.quarantined_count,
    good.content_sha256
FROM (
    SELECT DISTINCT ON (source)
        source,
        url,
        status,
        reason,
        fetched_at
    FROM feed_snapshot
    ORDER BY source ASC, fetched_at DESC, snapshot_id DESC
) AS latest
LEFT JOIN LATERAL (
    SELECT
        snapshot.fetched_at,
        accepted.data_date,
        accepted.dated_snapshot,
        accepted.record_count,
        accepted.quarantined_count,
        accepted.content_sha256
    FROM feed_snapshot AS snapshot
    INNER JOIN LATERAL (
        SELECT inner_snapshot.*
        FROM feed_snapshot AS inner_snapshot
        WHERE
            inner_snapshot.source = latest.source
            AND inner_snapshot.status = 'accepted'
        ORDER BY inner_snapshot.fetched_at DESC, inner_snapshot.snapshot_id DESC
        LIMIT 1
    ) AS accepted ON TRUE
    WHERE snapshot.source = latest.source AND snapshot.status IN ('accepted', 'unchanged')
    ORDER BY snapshot.fetched_at DESC, snapshot.snapshot_id DESC
    LIMIT 1
) AS good ON TRUE
ORDER BY latest.source
