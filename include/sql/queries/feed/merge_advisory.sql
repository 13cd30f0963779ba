INSERT INTO advisory (
    advisory_id, source, suite, source_package, fixed_version, codename, title, urgency, published_at, withdrawn_at,
    details, first_seen_at, snapshot_id
)
SELECT
    row.advisory_id,
    row.source,
    row.suite,
    row.source_package,
    row.fixed_version,
    row.codename,
    row.title,
    row.urgency,
    row.published_at,
    row.withdrawn_at,
    coalesce(row.details, '{}'::jsonb) AS details,
    %(now)s,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            advisory_id text,
            source text,
            suite text,
            source_package text,
            fixed_version text,
            codename text,
            title text,
            urgency text,
            published_at timestamptz,
            withdrawn_at timestamptz,
            details jsonb
        )
ON CONFLICT (advisory_id) DO UPDATE
    SET
        suite = excluded.suite,
        codename = excluded.codename,
        title = excluded.title,
        urgency = excluded.urgency,
        published_at = excluded.published_at,
        withdrawn_at = excluded.withdrawn_at,
        details = excluded.details,
        snapshot_id = excluded.snapshot_id
    WHERE
    (
        advisory.suite,
        advisory.codename,
        advisory.title,
        advisory.urgency,
        advisory.published_at,
        advisory.withdrawn_at,
        advisory.details
    ) IS DISTINCT FROM (
        excluded.suite,
        excluded.codename,
        excluded.title,
        excluded.urgency,
        excluded.published_at,
        excluded.withdrawn_at,
        excluded.details
    )
