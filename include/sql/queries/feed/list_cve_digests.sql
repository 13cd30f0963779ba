-- The beginnings (16 bytes) of all records' digests in order, as one value: 300,000 are 4.8 MB.
-- NULL when there are none.
SELECT string_agg(decode(left(record_sha256, 32), 'hex'), '' ORDER BY record_sha256 COLLATE "C") AS digests
FROM cve
WHERE source = 'cve5' AND record_sha256 IS NOT NULL
