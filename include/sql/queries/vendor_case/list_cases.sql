SELECT
    case_id,
    vendor,
    source_package,
    title,
    summary,
    cve_id,
    tlp,
    embargo_until,
    participants,
    asset_group,
    host_ids,
    state,
    state_reason,
    opened_by,
    opened_at,
    asked_at,
    acknowledge_by,
    acknowledged_at,
    fix_by,
    vendor_reference,
    hotfix_source,
    hotfix_version,
    campaign_id,
    replacement_campaign_id,
    updated_at
FROM vendor_case
WHERE
    (%(case_id)s::text IS NULL OR case_id = %(case_id)s)
    AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY opened_at DESC, case_id DESC
