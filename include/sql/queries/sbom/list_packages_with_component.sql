-- Only what came with each package last counts: what an older version shipped may be gone.
WITH last_intake AS (
    SELECT
        package,
        architecture,
        max(intake_id) AS intake_id
    FROM sbom_lineage
    GROUP BY package, architecture
)

SELECT DISTINCT
    sbom_lineage.package,
    sbom_lineage.version,
    sbom_lineage.architecture
FROM sbom_lineage
INNER JOIN last_intake
    ON
        sbom_lineage.package = last_intake.package
        AND sbom_lineage.architecture = last_intake.architecture
        AND sbom_lineage.intake_id = last_intake.intake_id
INNER JOIN sbom_document ON sbom_lineage.sbom_id = sbom_document.sbom_id
WHERE sbom_document.components @> %(component)s::jsonb
ORDER BY sbom_lineage.package, sbom_lineage.architecture
