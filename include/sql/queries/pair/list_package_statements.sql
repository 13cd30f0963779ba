-- What VEX says of packages that are installed somewhere. packages: 'ecosystem/package'.
SELECT
    source,
    author,
    vulnerability,
    ecosystem,
    package,
    version,
    codename,
    product,
    subcomponent,
    status,
    justification,
    dated_at
FROM vex_statement
WHERE ecosystem || '/' || package = any(%(packages)s)
ORDER BY source, statement_key
