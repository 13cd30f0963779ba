-- Only each package's last accepted document counts: what an older one shipped may be gone.
SELECT
    doc.package,
    doc.version
FROM sbom_document AS doc
WHERE
    doc.components @> %(component)s::jsonb
    AND NOT EXISTS (
        SELECT 1
        FROM sbom_document AS later
        WHERE
            later.package = doc.package
            AND (later.accepted_at, later.sbom_id) > (doc.accepted_at, doc.sbom_id)
    )
ORDER BY doc.package
