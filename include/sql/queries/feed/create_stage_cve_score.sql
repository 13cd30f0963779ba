CREATE TEMPORARY TABLE IF NOT EXISTS stage_cve_score (
    cve_id text NOT NULL,
    source text NOT NULL,
    cvss_version text NOT NULL,
    vector text NOT NULL,
    base_score numeric(3, 1),
    severity text,
    dated_at timestamptz
) ON COMMIT DROP
