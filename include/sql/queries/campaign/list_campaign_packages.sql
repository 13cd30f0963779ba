SELECT
    package,
    architecture,
    version,
    source_package,
    source_version,
    advisory_id,
    filename,
    size_bytes,
    sha256
FROM campaign_package
WHERE campaign_id = %(campaign_id)s
ORDER BY package, architecture
