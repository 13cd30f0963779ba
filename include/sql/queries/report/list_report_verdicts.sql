-- Each verdict of a campaign; by_hand: what a named person said of an inconclusive one, null where nobody did.
SELECT
    verdict.ring,
    verdict.verdict,
    verdict.reason,
    verdict.measures,
    verdict.started_at,
    verdict.judged_at,
    CASE
        WHEN hand.verdict_id IS NOT NULL
            THEN json_build_object(
                'by', hand.judged_by,
                'reason', hand.reason,
                'at', to_char(hand.judged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
            )
    END AS by_hand
FROM verdict
LEFT JOIN manual_judgement AS hand ON verdict.verdict_id = hand.verdict_id
WHERE verdict.campaign_id = %(campaign_id)s
ORDER BY verdict.verdict_id
