SELECT
    seq,
    hash
FROM evidence
ORDER BY seq DESC
LIMIT 1
