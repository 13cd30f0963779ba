-- What was changed by hand on a campaign's hosts and its packages touch, as its newest adopted intake found it.
SELECT change.value ->> 'sentence' AS sentence
FROM
    jsonb_array_elements(
        (
            SELECT intake.chain -> 'examination' -> 'local_changes' FROM intake
            WHERE intake.campaign_id = %(campaign_id)s AND intake.verdict = 'adopted'
            ORDER BY intake.decided_at DESC, intake.intake_id DESC
            LIMIT 1
        )
    ) AS change
