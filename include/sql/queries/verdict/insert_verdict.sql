INSERT INTO verdict (campaign_id, ring, verdict, reason, measures, started_at, judged_at)
VALUES (%(campaign_id)s, %(ring)s, %(verdict)s, %(reason)s, %(measures)s, %(started_at)s, %(judged_at)s)
RETURNING verdict_id
