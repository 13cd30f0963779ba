SELECT
    report_id,
    campaign_id,
    kind,
    uri,
    sha256,
    evidence_seq,
    created_at
FROM report
WHERE report_id = %(report_id)s
