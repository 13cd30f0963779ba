SELECT
    stage,
    record_key,
    record_sha256,
    requests,
    passed,
    sentence,
    routes,
    replayed_at
FROM traffic_replay
WHERE campaign_id = %(campaign_id)s
ORDER BY traffic_replay_id
