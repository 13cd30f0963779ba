INSERT INTO urgency_change (
    cve_id, kind, before, after, source, reason, findings, hosts, asset_groups, detected_at
)
VALUES (
    %(cve_id)s, %(kind)s, %(before)s, %(after)s, %(source)s, %(reason)s, %(findings)s, %(hosts)s, %(asset_groups)s,
    %(detected_at)s
)
