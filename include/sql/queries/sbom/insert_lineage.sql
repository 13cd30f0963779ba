INSERT INTO sbom_lineage (
    intake_id, package, version, architecture, package_sha256, document, place, sbom_id, before_sha256, accepted_at
)
VALUES (
    %(intake_id)s, %(package)s, %(version)s, %(architecture)s, %(package_sha256)s, %(document)s, %(place)s, %(sbom_id)s,
    %(before_sha256)s, %(accepted_at)s
)
