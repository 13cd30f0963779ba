-- What the sources disagree on now; a row is written only where that is news.
INSERT INTO contradiction (kind, cve_id, subject, claims, first_seen_at, last_changed_at)
SELECT
    present.kind,
    present.cve_id,
    present.subject,
    present.claims,
    %(now)s AS first_seen_at,
    %(now)s AS last_changed_at
FROM present_contradiction AS present
ON CONFLICT (kind, cve_id, subject) DO UPDATE
    SET claims = excluded.claims, last_changed_at = excluded.last_changed_at, ended_at = NULL
    WHERE contradiction.claims <> excluded.claims OR contradiction.ended_at IS NOT NULL
