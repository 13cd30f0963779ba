SELECT
    source,
    kind,
    verdict,
    reason,
    sentence,
    next_step,
    alarms,
    not_proven,
    intake_id,
    judged_at
FROM source_proof
ORDER BY verdict = 'refused' DESC, alarms = '[]', source
