INSERT INTO advisory_alias (advisory_id, alias, relation)
SELECT
    row.advisory_id,
    row.alias,
    row.relation
FROM jsonb_to_recordset(%(rows)s) AS row (advisory_id text, alias text, relation text)
ON CONFLICT (advisory_id, alias) DO UPDATE SET relation = excluded.relation
WHERE advisory_alias.relation <> excluded.relation
