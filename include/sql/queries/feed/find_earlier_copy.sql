-- When a copy with this very content was accepted last, other than as the one that stands.
SELECT max(fetched_at) AS fetched_at
FROM feed_snapshot
WHERE source = %(source)s AND status = 'accepted' AND content_sha256 = %(content_sha256)s
