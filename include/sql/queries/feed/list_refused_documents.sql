-- Addresses of documents that lie in quarantine since then, each once, the newest first.
SELECT
    feed_quarantine.record ->> 'url' AS url,
    max(feed_quarantine.quarantined_at) AS quarantined_at
FROM feed_quarantine
WHERE
    feed_quarantine.source = %(source)s
    AND feed_quarantine.quarantined_at >= %(since)s
    AND feed_quarantine.record ->> 'url' IS NOT NULL
GROUP BY feed_quarantine.record ->> 'url'
ORDER BY quarantined_at DESC
LIMIT %(max_rows)s
