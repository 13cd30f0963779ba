-- What the sources disagree on now, of these kinds: the view is evaluated once, a row is written only where that is
-- news, and what is no longer in it has ended.
WITH present AS MATERIALIZED (
    SELECT
        kind,
        cve_id,
        subject,
        claims
    FROM present_contradiction
    WHERE kind = any(%(kinds)s)
),

ended AS (
    UPDATE contradiction
    SET ended_at = %(now)s
    WHERE
        ended_at IS NULL
        AND kind = any(%(kinds)s)
        AND NOT EXISTS (
            SELECT 1
            FROM present
            WHERE
                present.kind = contradiction.kind
                AND present.cve_id = contradiction.cve_id
                AND present.subject = contradiction.subject
        )
)

INSERT INTO contradiction (kind, cve_id, subject, claims, first_seen_at, last_changed_at)
SELECT
    present.kind,
    present.cve_id,
    present.subject,
    present.claims,
    %(now)s AS first_seen_at,
    %(now)s AS last_changed_at
FROM present
ON CONFLICT (kind, cve_id, subject) DO UPDATE
    SET claims = excluded.claims, last_changed_at = excluded.last_changed_at, ended_at = NULL
    WHERE contradiction.claims <> excluded.claims OR contradiction.ended_at IS NOT NULL
