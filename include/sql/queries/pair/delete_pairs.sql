DELETE FROM advisory_pair
USING
    jsonb_to_recordset(%(rows)s)
        AS row (
            advisory_id text, ecosystem text, source_package text, source_version text, os_codename text
        )
WHERE
    advisory_pair.ecosystem = row.ecosystem
    AND advisory_pair.source_package = row.source_package
    AND advisory_pair.source_version = row.source_version
    AND advisory_pair.os_codename = row.os_codename
    AND advisory_pair.advisory_id = row.advisory_id
