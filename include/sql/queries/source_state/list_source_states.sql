SELECT
    source,
    suite,
    release_date,
    release_sha256,
    inrelease_sha256,
    key_fingerprint,
    seen_at
FROM source_state
ORDER BY source, suite
