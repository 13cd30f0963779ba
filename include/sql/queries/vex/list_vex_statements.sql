SELECT
    source,
    document_id,
    author,
    vulnerability,
    product,
    subcomponent,
    ecosystem,
    package,
    version,
    codename,
    status,
    justification,
    impact,
    action,
    dated_at
FROM vex_current
WHERE %(source)s::text IS NULL OR source = %(source)s
ORDER BY source, vulnerability, product, subcomponent, codename
