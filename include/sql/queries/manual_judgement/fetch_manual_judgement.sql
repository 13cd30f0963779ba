-- The newest judgement by hand of a ring under one plan; none when nobody gave one.
SELECT
    ring,
    verdict_id,
    judged_by,
    reason,
    judged_at
FROM manual_judgement
WHERE campaign_id = %(campaign_id)s AND plan_hash = %(plan_hash)s AND ring = %(ring)s
ORDER BY manual_judgement_id DESC
LIMIT 1
