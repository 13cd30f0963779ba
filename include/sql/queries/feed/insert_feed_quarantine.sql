INSERT INTO feed_quarantine (source, snapshot_id, record_id, reason, record, quarantined_at)
SELECT
    %(source)s,
    %(snapshot_id)s,
    row.record_id,
    row.reason,
    row.record,
    %(now)s
FROM jsonb_to_recordset(%(rows)s) AS row (record_id text, reason text, record jsonb)
WHERE NOT EXISTS (
    SELECT 1
    FROM feed_quarantine AS known
    WHERE known.source = %(source)s AND known.record_id = row.record_id AND known.reason = row.reason
)
