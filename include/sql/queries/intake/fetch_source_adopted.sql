-- The first adoption of a source outside campaigns; none when nothing of it was ever taken in on schedule.
SELECT intake_id
FROM intake
WHERE source = %(source)s AND campaign_id IS NULL AND verdict = 'adopted'
ORDER BY intake_id
LIMIT 1
