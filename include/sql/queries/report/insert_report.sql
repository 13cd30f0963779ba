INSERT INTO report (campaign_id, kind, uri, sha256, evidence_seq, created_at)
VALUES (%(campaign_id)s, %(kind)s, %(uri)s, %(sha256)s, %(evidence_seq)s, %(created_at)s)
