MERGE INTO cve_score
USING stage_cve_score AS row
    ON
        cve_score.cve_id = row.cve_id
        AND cve_score.source = row.source
        AND cve_score.cvss_version = row.cvss_version
        AND cve_score.vector = row.vector
WHEN MATCHED AND (cve_score.base_score, cve_score.severity, cve_score.dated_at)
    IS DISTINCT FROM (row.base_score, row.severity, row.dated_at)
    THEN UPDATE SET
        base_score = row.base_score,
        severity = row.severity,
        dated_at = row.dated_at,
        snapshot_id = %(snapshot_id)s
WHEN NOT MATCHED
    THEN INSERT (cve_id, source, cvss_version, vector, base_score, severity, dated_at, snapshot_id)
    VALUES (
        row.cve_id, row.source, row.cvss_version, row.vector, row.base_score, row.severity, row.dated_at,
        %(snapshot_id)s
    )
