-- Of whichever namespace: a package of this name that was accepted from elsewhere is what the new one is compared with.
SELECT
    package,
    version,
    sha256,
    object_key,
    object_uri,
    accepted_at
FROM sbom_document
WHERE name = %(name)s
ORDER BY accepted_at DESC, sbom_id DESC
FETCH FIRST 1 ROW ONLY
