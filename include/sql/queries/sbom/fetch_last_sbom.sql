SELECT
    package,
    version,
    sha256,
    object_key,
    object_uri,
    accepted_at
FROM sbom_document
WHERE package = %(package)s
ORDER BY accepted_at DESC, sbom_id DESC
FETCH FIRST 1 ROW ONLY
