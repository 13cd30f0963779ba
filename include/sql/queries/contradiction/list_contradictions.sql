SELECT
    kind,
    cve_id,
    subject,
    claims,
    first_seen_at,
    last_changed_at,
    ended_at
FROM contradiction
WHERE
    (%(with_ended)s::boolean OR ended_at IS NULL)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(cve_id)s::text IS NULL OR cve_id = %(cve_id)s)
ORDER BY kind ASC, last_changed_at DESC, cve_id ASC, subject ASC
LIMIT %(max_rows)s
