INSERT INTO vector_score (vector, base_score, error)
SELECT
    row.vector,
    row.base_score,
    row.error
FROM jsonb_to_recordset(%(rows)s) AS row (vector text, base_score numeric, error text)
ON CONFLICT (vector) DO NOTHING
