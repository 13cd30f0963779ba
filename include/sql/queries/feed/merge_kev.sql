INSERT INTO kev (cve_id, date_added, due_date, known_ransomware, name, snapshot_id, record_sha256)
SELECT
    row.cve_id,
    row.date_added,
    row.due_date,
    row.known_ransomware,
    row.name,
    %(snapshot_id)s,
    row.record_sha256
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text, date_added date, due_date date, known_ransomware boolean, name text, record_sha256 text
        )
ON CONFLICT (cve_id) DO UPDATE
    SET
        date_added = excluded.date_added,
        due_date = excluded.due_date,
        known_ransomware = excluded.known_ransomware,
        name = excluded.name,
        snapshot_id = excluded.snapshot_id,
        record_sha256 = excluded.record_sha256
    WHERE
    (kev.date_added, kev.due_date, kev.known_ransomware, kev.name, kev.record_sha256)
    IS DISTINCT FROM (
        excluded.date_added, excluded.due_date, excluded.known_ransomware, excluded.name, excluded.record_sha256
    )
