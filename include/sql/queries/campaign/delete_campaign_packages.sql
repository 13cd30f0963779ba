DELETE FROM campaign_package
WHERE campaign_id = %(campaign_id)s
