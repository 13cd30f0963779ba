INSERT INTO evidence (seq, recorded_at, actor, action, subject, campaign_id, grounds, prev_hash, hash)
VALUES (
    %(seq)s, %(recorded_at)s, %(actor)s, %(action)s, %(subject)s, %(campaign_id)s, %(grounds)s, %(prev_hash)s, %(hash)s
)
