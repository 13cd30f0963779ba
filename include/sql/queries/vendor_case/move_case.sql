UPDATE vendor_case
SET
    state = %(to_state)s,
    state_reason = %(reason)s,
    revision = revision + 1,
    asked_at = coalesce(%(asked_at)s::timestamptz, asked_at),
    acknowledge_by = coalesce(%(acknowledge_by)s::timestamptz, acknowledge_by),
    acknowledged_at = coalesce(%(acknowledged_at)s::timestamptz, acknowledged_at),
    fix_by = coalesce(%(fix_by)s::timestamptz, fix_by),
    vendor_reference = coalesce(%(vendor_reference)s, vendor_reference),
    hotfix_version = coalesce(%(hotfix_version)s, hotfix_version),
    campaign_id = coalesce(%(campaign_id)s, campaign_id),
    replacement_campaign_id = coalesce(%(replacement_campaign_id)s, replacement_campaign_id),
    updated_at = %(at)s
WHERE case_id = %(case_id)s AND state = %(expected_state)s
RETURNING revision
