-- The CVE record itself is the word that counts; NVD's copy stands only where there is no record. A record without a
-- title keeps the one that we have.
MERGE INTO cve
USING stage_cve AS row
    ON cve.cve_id = row.cve_id
WHEN MATCHED AND (row.source = 'cve5' OR cve.source <> 'cve5')
    AND (
        cve.state, cve.title, cve.cwe_ids, cve.published_at, cve.modified_at, cve.source, cve.record_kev,
        cve.record_kev_added, cve.record_sha256
    ) IS DISTINCT FROM (
        row.state, coalesce(row.title, cve.title), row.cwe_ids, row.published_at, row.modified_at, row.source,
        row.record_kev, row.record_kev_added, row.record_sha256
    )
    THEN UPDATE SET
        state = row.state,
        title = coalesce(row.title, cve.title),
        cwe_ids = row.cwe_ids,
        published_at = row.published_at,
        modified_at = row.modified_at,
        source = row.source,
        record_kev = row.record_kev,
        record_kev_added = row.record_kev_added,
        record_sha256 = row.record_sha256,
        snapshot_id = %(snapshot_id)s
WHEN NOT MATCHED
    THEN INSERT (
        cve_id, state, title, cwe_ids, published_at, modified_at, source, record_kev, record_kev_added, record_sha256,
        snapshot_id
    )
    VALUES (
        row.cve_id, row.state, row.title, row.cwe_ids, row.published_at, row.modified_at, row.source,
        row.record_kev, row.record_kev_added, row.record_sha256, %(snapshot_id)s
    )
