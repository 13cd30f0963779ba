-- Every SBOM that was accepted with these packages, in any version, the last accepted first.
SELECT
    sbom_lineage.intake_id,
    sbom_lineage.package,
    sbom_lineage.version,
    sbom_lineage.architecture,
    sbom_lineage.document,
    sbom_document.sha256,
    sbom_document.object_key,
    sbom_document.object_uri,
    sbom_lineage.accepted_at
FROM sbom_lineage
INNER JOIN sbom_document ON sbom_lineage.sbom_id = sbom_document.sbom_id
WHERE
    sbom_lineage.package = any(%(packages)s)
ORDER BY sbom_lineage.intake_id DESC, sbom_lineage.lineage_id DESC
