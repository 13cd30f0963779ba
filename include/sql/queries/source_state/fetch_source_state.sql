SELECT
    source,
    suite,
    release_date,
    release_sha256,
    inrelease_sha256,
    key_fingerprint,
    seen_at
FROM source_state
WHERE source = %(source)s AND suite = %(suite)s
