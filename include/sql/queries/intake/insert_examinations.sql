INSERT INTO package_examination (
    intake_id, campaign_id, examiner, package, version, architecture, against, action, concerns, facts, seconds,
    examined_at
)
SELECT
    %(intake_id)s::bigint,
    %(campaign_id)s::text,
    row.examiner,
    row.package,
    row.version,
    row.architecture,
    row.against,
    row.action,
    row.concerns,
    row.facts,
    row.seconds,
    %(examined_at)s::timestamptz
FROM
    jsonb_to_recordset(%(rows)s) AS row (
        examiner text, package text, version text, architecture text, against text, action text, concerns jsonb,
        facts jsonb, seconds double precision
    )
