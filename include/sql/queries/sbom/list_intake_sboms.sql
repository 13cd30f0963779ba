-- What was kept of one intake, and where it lies.
SELECT
    sbom_lineage.package,
    sbom_lineage.architecture,
    sbom_lineage.document,
    sbom_document.sha256,
    sbom_document.object_uri
FROM sbom_lineage
INNER JOIN sbom_document ON sbom_lineage.sbom_id = sbom_document.sbom_id
WHERE sbom_lineage.intake_id = %(intake_id)s
ORDER BY sbom_lineage.package, sbom_lineage.architecture, sbom_lineage.document
