INSERT INTO notice (
    source, message_id, list, sender, subject, dated_at, in_reply_to, cve_ids, url, excerpt,
    snapshot_id
)
SELECT
    row.source,
    row.message_id,
    row.list,
    row.sender,
    row.subject,
    row.dated_at,
    row.in_reply_to,
    array(SELECT jsonb_array_elements_text(coalesce(row.cve_ids, '[]'::jsonb))) AS cve_ids,
    row.url,
    row.excerpt,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            source text,
            message_id text,
            list text,
            sender text,
            subject text,
            dated_at timestamptz,
            in_reply_to text,
            cve_ids jsonb,
            url text,
            excerpt text
        )
ON CONFLICT (source, message_id) DO UPDATE
    SET
        list = excluded.list,
        sender = excluded.sender,
        subject = excluded.subject,
        dated_at = excluded.dated_at,
        in_reply_to = excluded.in_reply_to,
        cve_ids = excluded.cve_ids,
        url = excluded.url,
        excerpt = excluded.excerpt,
        snapshot_id = excluded.snapshot_id
    WHERE
    (
        notice.list,
        notice.sender,
        notice.subject,
        notice.dated_at,
        notice.in_reply_to,
        notice.cve_ids,
        notice.url,
        notice.excerpt
    ) IS DISTINCT FROM (
        excluded.list,
        excluded.sender,
        excluded.subject,
        excluded.dated_at,
        excluded.in_reply_to,
        excluded.cve_ids,
        excluded.url,
        excluded.excerpt
    )
