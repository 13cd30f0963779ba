-- What those who approve a campaign must have read: concerns of its newest adopted intake that policy wants reviewed.
SELECT
    package_examination.package,
    package_examination.version,
    package_examination.examiner,
    concern.value ->> 'kind' AS kind,
    concern.value ->> 'sentence' AS sentence
FROM package_examination
CROSS JOIN LATERAL jsonb_array_elements(package_examination.concerns) AS concern
WHERE
    package_examination.intake_id = (
        SELECT intake.intake_id FROM intake
        WHERE intake.campaign_id = %(campaign_id)s AND intake.verdict = 'adopted'
        ORDER BY intake.decided_at DESC, intake.intake_id DESC
        LIMIT 1
    )
    AND concern.value ->> 'action' IN ('review', 'refuse')
ORDER BY package_examination.package, package_examination.examiner, concern.value ->> 'kind'
