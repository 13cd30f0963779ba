-- A record that a bulk load brought need not be asked for again, where an advisory names its CVE.
INSERT INTO cve_lookup (cve_id, source, status, snapshot_id, looked_up_at)
SELECT
    row.cve_id,
    %(source)s,
    'found' AS status,
    %(snapshot_id)s,
    %(now)s
FROM cve AS row
WHERE
    row.snapshot_id = %(snapshot_id)s
    AND EXISTS (SELECT 1 FROM advisory_cve WHERE advisory_cve.cve_id = row.cve_id)
ON CONFLICT (cve_id, source) DO UPDATE
    SET
        status = excluded.status,
        reason = NULL,
        etag = NULL,
        content_sha256 = NULL,
        snapshot_id = excluded.snapshot_id,
        looked_up_at = excluded.looked_up_at
