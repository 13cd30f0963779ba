INSERT INTO advisory_package (advisory_id, package, version, architecture)
SELECT
    row.advisory_id,
    row.package,
    row.version,
    row.architecture
FROM jsonb_to_recordset(%(rows)s) AS row (advisory_id text, package text, version text, architecture text)
ON CONFLICT (
    advisory_id, package, architecture) DO UPDATE SET version = excluded.version
WHERE advisory_package.version <> excluded.version
