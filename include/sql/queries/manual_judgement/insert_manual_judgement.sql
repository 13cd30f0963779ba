INSERT INTO manual_judgement (campaign_id, plan_hash, ring, verdict_id, judged_by, reason, judged_at)
VALUES (%(campaign_id)s, %(plan_hash)s, %(ring)s, %(verdict_id)s, %(judged_by)s, %(reason)s, %(judged_at)s)
