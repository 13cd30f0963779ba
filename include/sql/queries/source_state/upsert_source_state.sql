-- Never backwards: of two intakes that end at once, the newer Release stays.
INSERT INTO source_state (
    source, suite, release_date, release_sha256, inrelease_sha256, key_fingerprint, seen_at
)
VALUES (
    %(source)s, %(suite)s, %(release_date)s, %(release_sha256)s, %(inrelease_sha256)s, %(key_fingerprint)s,
    %(seen_at)s
)
ON CONFLICT (source, suite) DO UPDATE
SET
    release_date = excluded.release_date,
    release_sha256 = excluded.release_sha256,
    inrelease_sha256 = excluded.inrelease_sha256,
    key_fingerprint = excluded.key_fingerprint,
    seen_at = excluded.seen_at
WHERE source_state.release_date <= excluded.release_date
