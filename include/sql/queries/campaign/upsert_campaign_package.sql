INSERT INTO campaign_package (
    campaign_id, package, architecture, version, source_package, source_version, advisory_id, filename, size_bytes,
    sha256
)
VALUES (
    %(campaign_id)s, %(package)s, %(architecture)s, %(version)s, %(source_package)s, %(source_version)s,
    %(advisory_id)s, %(filename)s, %(size_bytes)s, %(sha256)s
)
ON CONFLICT (campaign_id, package, architecture) DO UPDATE
SET
    version = excluded.version,
    source_package = excluded.source_package,
    source_version = excluded.source_version,
    filename = excluded.filename,
    size_bytes = excluded.size_bytes,
    sha256 = excluded.sha256
