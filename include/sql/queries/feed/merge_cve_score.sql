INSERT INTO cve_score (cve_id, source, cvss_version, vector, base_score, severity, dated_at, snapshot_id)
SELECT
    row.cve_id,
    row.source,
    row.cvss_version,
    row.vector,
    row.base_score,
    row.severity,
    row.dated_at,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text,
            source text,
            cvss_version text,
            vector text,
            base_score numeric,
            severity text,
            dated_at timestamptz
        )
ON CONFLICT (cve_id, source, cvss_version, vector) DO UPDATE
    SET
        base_score = excluded.base_score,
        severity = excluded.severity,
        dated_at = excluded.dated_at,
        snapshot_id = excluded.snapshot_id
