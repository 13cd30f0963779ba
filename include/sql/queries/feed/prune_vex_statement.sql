-- Statements that a newer copy of their document (or of the whole feed) makes no more: what nobody says excuses nothing
WITH said AS MATERIALIZED (
    SELECT
        key.statement_key,
        key.document_id,
        key.dated_at
    FROM jsonb_to_recordset(%(keys)s) AS key (statement_key text, document_id text, dated_at timestamptz)
),

document AS MATERIALIZED (
    SELECT
        said.document_id,
        max(said.dated_at) AS dated_at
    FROM said
    GROUP BY said.document_id
)

DELETE FROM vex_statement
WHERE
    vex_statement.source = %(source)s
    AND NOT EXISTS (SELECT 1 FROM said WHERE said.statement_key = vex_statement.statement_key)
    AND (
        %(complete)s
        OR EXISTS (
            SELECT 1
            FROM document
            WHERE
                document.document_id = vex_statement.document_id
                AND (
                    document.dated_at IS NULL
                    OR vex_statement.dated_at IS NULL
                    OR vex_statement.dated_at <= document.dated_at
                )
        )
    )
