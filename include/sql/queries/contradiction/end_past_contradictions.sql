UPDATE contradiction
SET ended_at = %(now)s
WHERE
    ended_at IS NULL
    AND NOT EXISTS (
        SELECT 1
        FROM present_contradiction AS present
        WHERE
            present.kind = contradiction.kind
            AND present.cve_id = contradiction.cve_id
            AND present.subject = contradiction.subject
    )
