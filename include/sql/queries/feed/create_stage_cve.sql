CREATE TEMPORARY TABLE IF NOT EXISTS stage_cve (
    cve_id text NOT NULL,
    state text NOT NULL,
    title text,
    cwe_ids text[] NOT NULL,
    published_at timestamptz,
    modified_at timestamptz,
    source text NOT NULL,
    record_kev boolean,
    record_kev_added date,
    record_sha256 text
) ON COMMIT DROP
