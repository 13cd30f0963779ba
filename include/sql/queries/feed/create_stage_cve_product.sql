CREATE TEMPORARY TABLE IF NOT EXISTS stage_cve_product (
    cve_id text NOT NULL,
    place smallint NOT NULL,
    source text NOT NULL,
    vendor text,
    products json NOT NULL
) ON COMMIT DROP
