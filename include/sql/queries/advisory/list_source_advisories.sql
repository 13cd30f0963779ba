SELECT
    advisory_id,
    source,
    suite,
    source_package,
    fixed_version,
    codename,
    title,
    urgency,
    published_at,
    withdrawn_at,
    details
FROM advisory
WHERE source = %(source)s AND withdrawn_at IS NULL
ORDER BY advisory_id
