SELECT
    report_id,
    campaign_id,
    kind,
    uri,
    sha256,
    evidence_seq,
    created_at
FROM report
WHERE %(campaign_id)s::text IS NULL OR campaign_id = %(campaign_id)s
ORDER BY report_id DESC
