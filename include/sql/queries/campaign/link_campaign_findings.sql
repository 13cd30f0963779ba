UPDATE finding
SET campaign_id = %(campaign_id)s
WHERE finding_id = any(%(finding_ids)s)
