-- A campaign's last measurement; none when it was never measured.
SELECT
    plan_hash,
    passed,
    score,
    floor,
    sentence,
    result,
    snapshot,
    parity_waiver_id,
    measured_at
FROM parity_run
WHERE campaign_id = %(campaign_id)s
ORDER BY parity_run_id DESC
LIMIT 1
