-- A vendor's notices with their revisions, the oldest first.
SELECT
    source,
    revision_id,
    first_id,
    revision,
    is_regression,
    package,
    title,
    dated,
    cve_ids,
    fixes
FROM advisory_revision
WHERE source = %(source)s
ORDER BY dated, first_id, revision
