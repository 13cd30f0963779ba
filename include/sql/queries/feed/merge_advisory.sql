-- Two feeds may say the same advisory (an archive and its tracker): what one leaves out stands as the other said it.
INSERT INTO advisory (
    advisory_id, source, suite, ecosystem, source_package, fixed_version, codename, title, urgency, published_at,
    withdrawn_at, details, first_seen_at, snapshot_id
)
SELECT
    row.advisory_id,
    row.source,
    row.suite,
    coalesce(row.ecosystem, 'deb') AS ecosystem,
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
            ecosystem text,
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
        title = coalesce(excluded.title, advisory.title),
        urgency = coalesce(excluded.urgency, advisory.urgency),
        published_at = coalesce(excluded.published_at, advisory.published_at),
        withdrawn_at = excluded.withdrawn_at,
        fixed_version = excluded.fixed_version,
        details = advisory.details || excluded.details,
        snapshot_id = excluded.snapshot_id
    WHERE
    (
        advisory.suite,
        advisory.codename,
        advisory.title,
        advisory.urgency,
        advisory.published_at,
        advisory.withdrawn_at,
        advisory.fixed_version,
        advisory.details
    ) IS DISTINCT FROM (
        excluded.suite,
        excluded.codename,
        coalesce(excluded.title, advisory.title),
        coalesce(excluded.urgency, advisory.urgency),
        coalesce(excluded.published_at, advisory.published_at),
        excluded.withdrawn_at,
        excluded.fixed_version,
        advisory.details || excluded.details
    )
