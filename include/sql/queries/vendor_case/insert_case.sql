INSERT INTO vendor_case (
    case_id, run_id, vendor, source_package, title, summary, cve_id, tlp, embargo_until, participants, asset_group,
    host_ids, state, state_reason, opened_by, opened_at, hotfix_source, updated_at
)
VALUES (
    %(case_id)s, %(run_id)s, %(vendor)s, %(source_package)s, %(title)s, %(summary)s, %(cve_id)s, %(tlp)s,
    %(embargo_until)s, %(participants)s, %(asset_group)s, %(host_ids)s, 'open', %(state_reason)s,
    %(opened_by)s, %(at)s, %(hotfix_source)s, %(at)s
)
