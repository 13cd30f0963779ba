INSERT INTO campaign_host (campaign_id, host_id, ring)
VALUES (%(campaign_id)s, %(host_id)s, %(ring)s)
