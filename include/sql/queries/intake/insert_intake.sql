INSERT INTO intake (campaign_id, source, verdict, reason, sentence, snapshot_ref, chain, decided_at)
VALUES (
    %(campaign_id)s, %(source)s, %(verdict)s, %(reason)s, %(sentence)s, %(snapshot_ref)s, %(chain)s, %(decided_at)s
)
RETURNING intake_id
