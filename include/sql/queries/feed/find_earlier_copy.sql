-- When a copy with this very content was accepted last. The one that stands counts as well: whoever asks has looked at
-- it before.
SELECT max(fetched_at) AS fetched_at
FROM feed_snapshot
WHERE source = %(source)s AND status = 'accepted' AND content_sha256 = %(content_sha256)s
