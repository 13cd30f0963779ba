SELECT
    source,
    record_id,
    reason,
    record,
    quarantined_at
FROM feed_quarantine
WHERE %(source)s::text IS NULL OR source = %(source)s
ORDER BY quarantine_id DESC
LIMIT %(max_rows)s
