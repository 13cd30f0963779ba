-- A campaign's last replay of one stage; none when there was none.
SELECT
    plan_hash,
    record_key,
    record_sha256,
    requests,
    passed,
    sentence,
    routes,
    result,
    replayed_at
FROM traffic_replay
WHERE campaign_id = %(campaign_id)s AND stage = %(stage)s
ORDER BY traffic_replay_id DESC
LIMIT 1
