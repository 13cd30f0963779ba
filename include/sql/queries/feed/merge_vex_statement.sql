-- A later statement wins, an earlier one never comes back; an undated one gives way to any that is dated.
INSERT INTO vex_statement (
    source, statement_key, document_id, author, vulnerability, product, subcomponent, ecosystem,
    package, version, codename, status, justification, impact, action, dated_at, snapshot_id
)
SELECT
    row.source,
    row.statement_key,
    row.document_id,
    row.author,
    row.vulnerability,
    row.product,
    row.subcomponent,
    row.ecosystem,
    row.package,
    row.version,
    row.codename,
    row.status,
    row.justification,
    row.impact,
    row.action,
    row.dated_at,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            source text,
            statement_key text,
            document_id text,
            author text,
            vulnerability text,
            product text,
            subcomponent text,
            ecosystem text,
            package text,
            version text,
            codename text,
            status text,
            justification text,
            impact text,
            action text,
            dated_at timestamptz
        )
ON CONFLICT (source, statement_key) DO UPDATE
    SET
        document_id = excluded.document_id,
        author = excluded.author,
        vulnerability = excluded.vulnerability,
        product = excluded.product,
        subcomponent = excluded.subcomponent,
        ecosystem = excluded.ecosystem,
        package = excluded.package,
        version = excluded.version,
        codename = excluded.codename,
        status = excluded.status,
        justification = excluded.justification,
        impact = excluded.impact,
        action = excluded.action,
        dated_at = excluded.dated_at,
        snapshot_id = excluded.snapshot_id
    WHERE
    (vex_statement.dated_at IS NULL OR excluded.dated_at >= vex_statement.dated_at)
    AND (
        vex_statement.document_id,
        vex_statement.author,
        vex_statement.vulnerability,
        vex_statement.product,
        vex_statement.subcomponent,
        vex_statement.ecosystem,
        vex_statement.package,
        vex_statement.version,
        vex_statement.codename,
        vex_statement.status,
        vex_statement.justification,
        vex_statement.impact,
        vex_statement.action,
        vex_statement.dated_at
    ) IS DISTINCT FROM (
        excluded.document_id,
        excluded.author,
        excluded.vulnerability,
        excluded.product,
        excluded.subcomponent,
        excluded.ecosystem,
        excluded.package,
        excluded.version,
        excluded.codename,
        excluded.status,
        excluded.justification,
        excluded.impact,
        excluded.action,
        excluded.dated_at
    )
