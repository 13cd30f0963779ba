INSERT INTO backup (
    campaign_id, host_id, tool, repository, snapshot_ref, status, taken_at, checked_at, restored_at, size_bytes,
    details
)
VALUES (
    %(campaign_id)s, %(host_id)s, %(tool)s, %(repository)s, %(snapshot_ref)s, 'verified', %(taken_at)s, %(checked_at)s,
    %(restored_at)s, %(size_bytes)s, %(details)s
)
