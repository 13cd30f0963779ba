-- The latest messages and entries that mention a CVE (any, where cve_id is NULL).
SELECT
    source,
    message_id,
    list,
    sender,
    subject,
    dated_at,
    in_reply_to,
    cve_ids,
    url,
    excerpt
FROM notice
WHERE %(cve_id)s::text IS NULL OR cve_ids @> ARRAY[%(cve_id)s::text]
ORDER BY dated_at DESC NULLS LAST, source ASC, message_id ASC
LIMIT %(max_rows)s
