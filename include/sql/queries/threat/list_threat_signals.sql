-- What threat intelligence says of a CVE (of all, where cve_id is NULL); revoked objects are not said any more.
SELECT
    source,
    signal_id,
    kind,
    name,
    cve_ids,
    pattern,
    pattern_type,
    labels,
    source_ref,
    relation,
    target_ref,
    sighted_count,
    confidence,
    valid_from,
    valid_until,
    created_at,
    modified_at
FROM threat_signal
WHERE NOT revoked AND (%(cve_id)s::text IS NULL OR cve_ids @> ARRAY[%(cve_id)s::text])
ORDER BY source, kind, signal_id
