-- A source that says nothing of phases (NULL) leaves what another one said of the same version.
INSERT INTO advisory_package (advisory_id, package, version, architecture, phased_percentage)
SELECT
    row.advisory_id,
    row.package,
    row.version,
    row.architecture,
    row.phased_percentage
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (advisory_id text, package text, version text, architecture text, phased_percentage integer)
ON CONFLICT (advisory_id, package, architecture) DO UPDATE
    SET
        version = excluded.version,
        phased_percentage = CASE
            WHEN advisory_package.version = excluded.version
                THEN coalesce(excluded.phased_percentage, advisory_package.phased_percentage)
            ELSE excluded.phased_percentage
        END
    WHERE
    advisory_package.version <> excluded.version
    OR (
        excluded.phased_percentage IS NOT NULL
        AND advisory_package.phased_percentage IS DISTINCT FROM excluded.phased_percentage
    )
