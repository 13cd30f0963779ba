CREATE TEMPORARY TABLE IF NOT EXISTS stage_cve_ssvc (
    cve_id text NOT NULL,
    exploitation text,
    automatable text,
    technical_impact text,
    dated_at timestamptz,
    source text NOT NULL
) ON COMMIT DROP
