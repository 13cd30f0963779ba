INSERT INTO debian_version (version, sort_key, error)
SELECT
    row.version,
    decode(row.sort_key_hex, 'hex') AS sort_key,
    row.error
FROM jsonb_to_recordset(%(rows)s) AS row (version text, sort_key_hex text, error text)
ON CONFLICT (version) DO NOTHING
