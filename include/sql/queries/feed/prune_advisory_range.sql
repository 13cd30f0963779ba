-- Ranges that this feed gave these advisories before, and gives them no more: a range that moved leaves no twin.
WITH said AS MATERIALIZED (
    SELECT
        key.advisory_id,
        key.range_key
    FROM jsonb_to_recordset(%(keys)s) AS key (advisory_id text, range_key text)
)

DELETE FROM advisory_range
WHERE
    advisory_range.source = %(source)s
    AND EXISTS (SELECT 1 FROM said WHERE said.advisory_id = advisory_range.advisory_id)
    AND NOT EXISTS (
        SELECT 1
        FROM said
        WHERE said.advisory_id = advisory_range.advisory_id AND said.range_key = advisory_range.range_key
    )
