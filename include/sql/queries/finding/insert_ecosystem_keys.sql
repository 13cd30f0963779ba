INSERT INTO version_key (ecosystem, version, sort_key, error)
SELECT
    row.ecosystem,
    row.version,
    decode(row.sort_key_hex, 'hex') AS sort_key,
    row.error
FROM jsonb_to_recordset(%(rows)s) AS row (ecosystem text, version text, sort_key_hex text, error text)
ON CONFLICT (ecosystem, version) DO NOTHING
