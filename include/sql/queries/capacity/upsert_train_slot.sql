INSERT INTO train_slot (campaign_id, train_id, minutes, measured, risk, sentence, planned_at, released_at)
VALUES (
    %(campaign_id)s, %(train_id)s, %(minutes)s, %(measured)s, %(risk)s, %(sentence)s, %(planned_at)s, %(released_at)s
)
ON CONFLICT (campaign_id) DO UPDATE SET
    train_id = excluded.train_id,
    minutes = excluded.minutes,
    measured = excluded.measured,
    risk = excluded.risk,
    sentence = excluded.sentence,
    planned_at = excluded.planned_at,
    released_at = coalesce(train_slot.released_at, excluded.released_at)
