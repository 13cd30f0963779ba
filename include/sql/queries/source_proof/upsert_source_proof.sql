-- Never backwards: of two proofs that end at once, the one judged later stays.
INSERT INTO source_proof (
    source, kind, verdict, reason, sentence, next_step, alarms, not_proven, intake_id, judged_at
)
VALUES (
    %(source)s, %(kind)s, %(verdict)s, %(reason)s, %(sentence)s, %(next_step)s, %(alarms)s, %(not_proven)s,
    %(intake_id)s, %(judged_at)s
)
ON CONFLICT (source) DO UPDATE
SET
    kind = excluded.kind,
    verdict = excluded.verdict,
    reason = excluded.reason,
    sentence = excluded.sentence,
    next_step = excluded.next_step,
    alarms = excluded.alarms,
    not_proven = excluded.not_proven,
    intake_id = coalesce(excluded.intake_id, source_proof.intake_id),
    judged_at = excluded.judged_at
WHERE source_proof.judged_at <= excluded.judged_at
