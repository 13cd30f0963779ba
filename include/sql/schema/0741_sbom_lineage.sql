-- Which SBOM came with which package of which intake, and which one it was compared with: a package's lineage,
-- version by version.
CREATE TABLE sbom_lineage (
    lineage_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intake_id bigint NOT NULL REFERENCES intake (intake_id),
    package text NOT NULL, -- the Debian package, as the proven index names it
    version text NOT NULL,
    architecture text NOT NULL,
    package_sha256 text NOT NULL CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
    document text NOT NULL, -- the document's name, or its path in the package
    place text NOT NULL CHECK (place IN ('listed', 'beside', 'inside')),
    sbom_id bigint NOT NULL REFERENCES sbom_document (sbom_id),
    before_sha256 text CHECK (before_sha256 ~ '^[0-9a-f]{64}$'), -- NULL: there was none before
    accepted_at timestamptz NOT NULL,
    UNIQUE (intake_id, package, architecture, document)
);

CREATE INDEX sbom_lineage_of_package ON sbom_lineage (package, architecture, accepted_at DESC);
CREATE INDEX sbom_lineage_of_document ON sbom_lineage (sbom_id);

-- What was asked by the root, or by its name, is asked by the package now; nobody asks by component.
DROP INDEX sbom_document_last;
DROP INDEX sbom_document_name;
DROP INDEX sbom_document_components;
