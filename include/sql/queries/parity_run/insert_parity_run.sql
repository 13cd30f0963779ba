INSERT INTO parity_run (
    campaign_id, plan_hash, passed, score, floor, sentence, result, snapshot, parity_waiver_id, measured_at
)
VALUES (
    %(campaign_id)s, %(plan_hash)s, %(passed)s, %(score)s, %(floor)s, %(sentence)s,
    %(result)s, %(snapshot)s, %(parity_waiver_id)s, %(measured_at)s
)
