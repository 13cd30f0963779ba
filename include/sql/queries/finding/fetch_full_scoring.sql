-- None before the first.
SELECT
    rules_digest,
    scored_at
FROM full_scoring
