INSERT INTO traffic_replay (
    campaign_id, plan_hash, stage, record_key, record_sha256, requests, passed, sentence, routes, result, replayed_at
)
VALUES (
    %(campaign_id)s, %(plan_hash)s, %(stage)s, %(record_key)s, %(record_sha256)s, %(requests)s, %(passed)s,
    %(sentence)s, %(routes)s, %(result)s, %(replayed_at)s
)
