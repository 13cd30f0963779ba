INSERT INTO sbom_document (
    package, name, version, sha256, format, serial, object_key, object_uri, components, component_count, accepted_at,
    accepted_by
)
VALUES (
    %(package)s, %(name)s, %(version)s, %(sha256)s, %(format)s, %(serial)s, %(object_key)s, %(object_uri)s,
    %(components)s, %(component_count)s, %(accepted_at)s, %(accepted_by)s
)
ON CONFLICT (package, sha256) DO UPDATE SET sha256 = excluded.sha256 -- the same: for its id
RETURNING sbom_id
