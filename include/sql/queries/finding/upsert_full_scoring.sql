INSERT INTO full_scoring (rules_digest, scored_at) VALUES (%(rules_digest)s, %(now)s)
ON CONFLICT (only_one) DO UPDATE SET rules_digest = excluded.rules_digest, scored_at = excluded.scored_at
