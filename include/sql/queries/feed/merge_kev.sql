MERGE INTO kev
USING stage_kev AS row
    ON kev.cve_id = row.cve_id
WHEN MATCHED AND (kev.date_added, kev.due_date, kev.known_ransomware, kev.name, kev.record_sha256)
    IS DISTINCT FROM (row.date_added, row.due_date, row.known_ransomware, row.name, row.record_sha256)
    THEN UPDATE SET
        date_added = row.date_added,
        due_date = row.due_date,
        known_ransomware = row.known_ransomware,
        name = row.name,
        record_sha256 = row.record_sha256,
        snapshot_id = %(snapshot_id)s
WHEN NOT MATCHED
    THEN INSERT (cve_id, date_added, due_date, known_ransomware, name, record_sha256, snapshot_id)
    VALUES (
        row.cve_id, row.date_added, row.due_date, row.known_ransomware, row.name, row.record_sha256, %(snapshot_id)s
    )
