UPDATE vendor_case
SET replacement_campaign_id = %(campaign_id)s, updated_at = %(at)s
WHERE case_id = %(case_id)s
