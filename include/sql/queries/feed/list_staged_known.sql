-- The staged records of which we have one from the same source: is ours newer, and what was its content?
SELECT
    cve.cve_id,
    row.modified_at AS offered_at,
    cve.modified_at AS kept_at,
    cve.record_sha256,
    coalesce(row.modified_at < cve.modified_at, FALSE) AS older
FROM stage_cve AS row
INNER JOIN cve ON row.cve_id = cve.cve_id AND row.source = cve.source
