-- Signed acceptances all of whose findings a newer one covers, too.
SELECT older.acceptance_id
FROM risk_acceptance AS older
WHERE
    older.state = 'active'
    AND older.acceptance_id <> %(acceptance_id)s
    AND NOT EXISTS (
        SELECT 1
        FROM risk_acceptance_finding AS pair
        WHERE
            pair.acceptance_id = older.acceptance_id
            AND NOT EXISTS (
                SELECT 1
                FROM risk_acceptance_finding AS newer
                WHERE
                    newer.acceptance_id = %(acceptance_id)s
                    AND newer.host_id = pair.host_id
                    AND newer.advisory_id = pair.advisory_id
            )
    )
ORDER BY older.acceptance_id
