INSERT INTO advisory_cve (advisory_id, cve_id, relation, urgency, note)
SELECT
    row.advisory_id,
    row.cve_id,
    row.relation,
    row.urgency,
    row.note
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (advisory_id text, cve_id text, relation text, urgency text, note text)
ON CONFLICT (advisory_id, cve_id) DO UPDATE
    SET
        relation = excluded.relation,
        urgency = coalesce(excluded.urgency, advisory_cve.urgency),
        note = coalesce(excluded.note, advisory_cve.note)
    WHERE
    (advisory_cve.relation, advisory_cve.urgency, advisory_cve.note)
    IS DISTINCT FROM (
        excluded.relation,
        coalesce(excluded.urgency, advisory_cve.urgency),
        coalesce(excluded.note, advisory_cve.note)
    )
