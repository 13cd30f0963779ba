INSERT INTO cve_lookup (cve_id, source, status, reason, etag, content_sha256, snapshot_id, looked_up_at)
SELECT
    row.cve_id,
    %(source)s,
    row.status,
    row.reason,
    row.etag,
    row.content_sha256,
    %(snapshot_id)s,
    %(now)s
FROM jsonb_to_recordset(%(rows)s) AS row (cve_id text, status text, reason text, etag text, content_sha256 text)
ON CONFLICT (cve_id, source) DO UPDATE
    SET
    -- A record that was good stays found: what came now is quarantined, the good one stands.
        status = CASE
            WHEN cve_lookup.status = 'found' AND excluded.status <> 'found' THEN cve_lookup.status ELSE excluded.status
        END,
        reason = excluded.reason,
        etag = coalesce(excluded.etag, cve_lookup.etag),
        content_sha256 = coalesce(excluded.content_sha256, cve_lookup.content_sha256),
        snapshot_id = excluded.snapshot_id,
        looked_up_at = excluded.looked_up_at
