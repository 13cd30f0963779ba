CREATE TEMPORARY TABLE IF NOT EXISTS stage_cve (
    cve_id text NOT NULL,
    state text NOT NULL,
    title text,
    cwe_ids text NOT NULL,  -- a text array as PostgreSQL writes it
    published_at timestamptz,
    modified_at timestamptz,
    source text NOT NULL,
    content_digest bytea
) ON COMMIT DROP
