CREATE TEMPORARY TABLE IF NOT EXISTS stage_epss (
    cve_id text NOT NULL,
    probability double precision NOT NULL,
    percentile double precision NOT NULL,
    score_date date NOT NULL,
    model_version text NOT NULL
) ON COMMIT DROP
