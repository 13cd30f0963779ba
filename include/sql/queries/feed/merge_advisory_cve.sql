INSERT INTO advisory_cve (advisory_id, cve_id, relation)
SELECT
    row.advisory_id,
    row.cve_id,
    row.relation
FROM jsonb_to_recordset(%(rows)s) AS row (advisory_id text, cve_id text, relation text)
ON CONFLICT (
    advisory_id, cve_id) DO UPDATE SET relation = excluded.relation
WHERE advisory_cve.relation <> excluded.relation
