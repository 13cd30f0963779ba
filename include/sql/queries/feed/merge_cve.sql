-- The CVE record itself is the word that counts; NVD's copy stands only where there is no record.
INSERT INTO cve (
    cve_id, state, title, cwe_ids, published_at, modified_at, source, snapshot_id, record_kev, record_kev_added,
    record_sha256
)
SELECT
    row.cve_id,
    row.state,
    row.title,
    array(SELECT jsonb_array_elements_text(row.cwe_ids)) AS cwe_ids,
    row.published_at,
    row.modified_at,
    row.source,
    %(snapshot_id)s,
    row.record_kev,
    row.record_kev_added,
    row.record_sha256
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text,
            state text,
            title text,
            cwe_ids jsonb,
            published_at timestamptz,
            modified_at timestamptz,
            source text,
            record_kev boolean,
            record_kev_added date,
            record_sha256 text
        )
ON CONFLICT (cve_id) DO UPDATE
    SET
        state = excluded.state,
        title = coalesce(excluded.title, cve.title),
        cwe_ids = excluded.cwe_ids,
        published_at = excluded.published_at,
        modified_at = excluded.modified_at,
        source = excluded.source,
        snapshot_id = excluded.snapshot_id,
        record_kev = excluded.record_kev,
        record_kev_added = excluded.record_kev_added,
        record_sha256 = excluded.record_sha256
    WHERE
    (excluded.source = 'cve5' OR cve.source <> 'cve5')
    AND (
        cve.state, cve.title, cve.cwe_ids, cve.published_at, cve.modified_at, cve.source,
        cve.record_kev, cve.record_kev_added, cve.record_sha256
    )
    IS DISTINCT FROM (
        excluded.state, excluded.title, excluded.cwe_ids, excluded.published_at, excluded.modified_at, excluded.source,
        excluded.record_kev, excluded.record_kev_added, excluded.record_sha256
    )
