-- The beginnings (16 bytes) of all records' digests in order, as one value: 300,000 are 4.8 MB; NULL when there are none.
SELECT string_agg(substring(content_digest FOR 16), '' ORDER BY content_digest) AS digests
FROM cve
WHERE source = 'cve5' AND content_digest IS NOT NULL
