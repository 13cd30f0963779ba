-- One row a source: the copy that stands, when it was last seen to be well, and how the last try went.
WITH accepted AS (
    SELECT DISTINCT ON (source)
        source,
        url AS accepted_url,
        data_date,
        dated_snapshot,
        record_count,
        content_sha256,
        fetched_at AS accepted_at
    FROM feed_snapshot
    WHERE status = 'accepted'
    ORDER BY source ASC, snapshot_id DESC
),

well AS (
    SELECT
        source,
        max(fetched_at) AS well_at
    FROM feed_snapshot
    WHERE status IN ('accepted', 'unchanged')
    GROUP BY source
),

last_try AS (
    SELECT DISTINCT ON (source)
        source,
        url,
        status,
        reason,
        fetched_at AS tried_at
    FROM feed_snapshot
    ORDER BY source ASC, snapshot_id DESC
),

quarantined AS (
    SELECT
        source,
        count(*) AS quarantined
    FROM feed_quarantine
    GROUP BY source
)

SELECT
    last_try.source,
    last_try.url,
    last_try.status,
    last_try.reason,
    last_try.tried_at,
    well.well_at,
    accepted.accepted_at,
    accepted.accepted_url,
    accepted.data_date,
    accepted.dated_snapshot,
    accepted.record_count,
    accepted.content_sha256,
    coalesce(quarantined.quarantined, 0) AS quarantined
FROM last_try
LEFT JOIN well ON last_try.source = well.source
LEFT JOIN accepted ON last_try.source = accepted.source
LEFT JOIN quarantined ON last_try.source = quarantined.source
ORDER BY last_try.source
