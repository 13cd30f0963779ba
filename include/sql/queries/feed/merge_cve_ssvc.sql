MERGE INTO cve_ssvc
USING stage_cve_ssvc AS row
    ON cve_ssvc.cve_id = row.cve_id
WHEN MATCHED AND (
        cve_ssvc.exploitation, cve_ssvc.automatable, cve_ssvc.technical_impact, cve_ssvc.dated_at, cve_ssvc.source
    ) IS DISTINCT FROM (
        row.exploitation, row.automatable, row.technical_impact, row.dated_at, row.source
    )
    THEN UPDATE SET
        exploitation = row.exploitation,
        automatable = row.automatable,
        technical_impact = row.technical_impact,
        dated_at = row.dated_at,
        source = row.source,
        snapshot_id = %(snapshot_id)s
WHEN NOT MATCHED
    THEN INSERT (cve_id, exploitation, automatable, technical_impact, dated_at, source, snapshot_id)
    VALUES (
        row.cve_id, row.exploitation, row.automatable, row.technical_impact, row.dated_at, row.source,
        %(snapshot_id)s
    )
