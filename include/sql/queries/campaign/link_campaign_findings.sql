-- After single_out_findings.
UPDATE own_finding
SET campaign_id = %(campaign_id)s
WHERE finding_id = any(%(finding_ids)s)
