-- The newest intake of a source that belongs to no campaign; none when it was never taken in on schedule.
SELECT
    intake_id,
    verdict,
    reason,
    sentence,
    snapshot_ref,
    chain
FROM intake
WHERE source = %(source)s AND campaign_id IS NULL
ORDER BY intake_id DESC
LIMIT 1
