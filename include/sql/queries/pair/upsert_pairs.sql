INSERT INTO advisory_pair (
    advisory_id, ecosystem, source_package, source_version, os_codename, fixed_version, status, grounds, decided_at
)
SELECT
    row.advisory_id,
    row.ecosystem,
    row.source_package,
    row.source_version,
    row.os_codename,
    row.fixed_version,
    row.status,
    row.grounds,
    %(now)s AS decided_at
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            advisory_id text,
            ecosystem text,
            source_package text,
            source_version text,
            os_codename text,
            fixed_version text,
            status text,
            grounds jsonb
        )
ON CONFLICT (ecosystem, source_package, source_version, os_codename, advisory_id) DO UPDATE
    SET
        fixed_version = excluded.fixed_version,
        status = excluded.status,
        grounds = excluded.grounds,
        decided_at = excluded.decided_at
