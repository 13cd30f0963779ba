CREATE TEMPORARY TABLE IF NOT EXISTS stage_kev (
    cve_id text NOT NULL,
    date_added date NOT NULL,
    due_date date,
    known_ransomware boolean,
    name text,
    record_sha256 text
) ON COMMIT DROP
