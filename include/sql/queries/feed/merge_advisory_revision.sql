INSERT INTO advisory_revision (
    source, revision_id, first_id, revision, is_regression, package, title, dated, cve_ids, fixes,
    snapshot_id
)
SELECT
    row.source,
    row.revision_id,
    row.first_id,
    row.revision,
    row.is_regression,
    row.package,
    row.title,
    row.dated,
    array(SELECT jsonb_array_elements_text(coalesce(row.cve_ids, '[]'::jsonb))) AS cve_ids,
    coalesce(row.fixes, '[]'::jsonb) AS fixes,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            source text,
            revision_id text,
            first_id text,
            revision integer,
            is_regression boolean,
            package text,
            title text,
            dated date,
            cve_ids jsonb,
            fixes jsonb
        )
ON CONFLICT (source, revision_id) DO UPDATE
    SET
        first_id = excluded.first_id,
        revision = excluded.revision,
        is_regression = excluded.is_regression,
        package = excluded.package,
        title = excluded.title,
        dated = excluded.dated,
        cve_ids = excluded.cve_ids,
        fixes = excluded.fixes,
        snapshot_id = excluded.snapshot_id
    WHERE
    (
        advisory_revision.first_id,
        advisory_revision.revision,
        advisory_revision.is_regression,
        advisory_revision.package,
        advisory_revision.title,
        advisory_revision.dated,
        advisory_revision.cve_ids,
        advisory_revision.fixes
    ) IS DISTINCT FROM (
        excluded.first_id,
        excluded.revision,
        excluded.is_regression,
        excluded.package,
        excluded.title,
        excluded.dated,
        excluded.cve_ids,
        excluded.fixes
    )
