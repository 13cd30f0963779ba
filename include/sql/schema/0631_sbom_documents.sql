-- SBOMs that were accepted, so that the next of a package is compared with the last. The bytes lie in the object store.
CREATE TABLE sbom_document (
    sbom_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    package text NOT NULL CHECK (package <> ''), -- the root's purl without version, or its name with its group
    name text NOT NULL, -- the bare name in lower case: a package that moved is looked for by it
    version text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    format text NOT NULL,
    serial text NOT NULL,
    object_key text NOT NULL,
    object_uri text NOT NULL,
    components jsonb NOT NULL CHECK (jsonb_typeof(components) = 'array'),
    component_count integer NOT NULL CHECK (component_count >= 0),
    accepted_at timestamptz NOT NULL,
    accepted_by text NOT NULL,
    UNIQUE (package, sha256)
);

CREATE INDEX sbom_document_last ON sbom_document (package, accepted_at DESC, sbom_id DESC);
CREATE INDEX sbom_document_name ON sbom_document (name, accepted_at DESC);
CREATE INDEX sbom_document_components ON sbom_document USING gin (components jsonb_path_ops);
