-- When the record that gave an advisory was last changed, as this feed's accepted copy said it.
SELECT
    advisory.advisory_id,
    coalesce(advisory.details ->> 'osv_id', advisory.details ->> 'csaf_id') AS record_id,
    (advisory.details ->> 'dated_at')::timestamptz AS dated_at
FROM advisory
WHERE
    advisory.advisory_id = any(%(advisory_ids)s)
    AND advisory.details ->> 'feed' = %(feed)s
    AND advisory.details ->> 'dated_at' IS NOT NULL
