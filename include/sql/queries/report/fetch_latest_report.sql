SELECT
    report_id,
    campaign_id,
    kind,
    uri,
    sha256,
    evidence_seq,
    created_at
FROM report
WHERE campaign_id IS NOT DISTINCT FROM %(campaign_id)s::text AND kind = 'html'
ORDER BY report_id DESC
LIMIT 1
