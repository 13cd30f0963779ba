-- The CVE record itself is the word that counts; NVD's copy stands only where there is no record.
INSERT INTO cve (cve_id, state, title, cwe_ids, published_at, modified_at, source, snapshot_id)
SELECT
    row.cve_id,
    row.state,
    row.title,
    array(SELECT jsonb_array_elements_text(row.cwe_ids)) AS cwe_ids,
    row.published_at,
    row.modified_at,
    row.source,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text,
            state text,
            title text,
            cwe_ids jsonb,
            published_at timestamptz,
            modified_at timestamptz,
            source text
        )
ON CONFLICT (cve_id) DO UPDATE
    SET
        state = excluded.state,
        title = coalesce(excluded.title, cve.title),
        cwe_ids = excluded.cwe_ids,
        published_at = excluded.published_at,
        modified_at = excluded.modified_at,
        source = excluded.source,
        snapshot_id = excluded.snapshot_id
    WHERE
    (excluded.source = 'cve5' OR cve.source <> 'cve5')
    AND (cve.state, cve.title, cve.cwe_ids, cve.published_at, cve.modified_at, cve.source)
    IS DISTINCT FROM (
        excluded.state, excluded.title, excluded.cwe_ids, excluded.published_at, excluded.modified_at, excluded.source
    )
