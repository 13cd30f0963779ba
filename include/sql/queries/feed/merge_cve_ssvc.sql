INSERT INTO cve_ssvc (cve_id, exploitation, automatable, technical_impact, dated_at, source, snapshot_id)
SELECT
    row.cve_id,
    row.exploitation,
    row.automatable,
    row.technical_impact,
    row.dated_at,
    row.source,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text, exploitation text, automatable text, technical_impact text, dated_at timestamptz, source text
        )
ON CONFLICT (cve_id) DO UPDATE
    SET
        exploitation = excluded.exploitation,
        automatable = excluded.automatable,
        technical_impact = excluded.technical_impact,
        dated_at = excluded.dated_at,
        source = excluded.source,
        snapshot_id = excluded.snapshot_id
