INSERT INTO host_lease (host_id, holder, campaign_id, token, granted_at, expires_at)
VALUES (
    %(host_id)s, %(holder)s, %(campaign_id)s, nextval('host_lease_token'),
    clock_timestamp(), clock_timestamp() + %(time_to_live)s
)
ON CONFLICT (host_id) DO UPDATE SET
    holder = excluded.holder,
    campaign_id = excluded.campaign_id,
    token = excluded.token,
    granted_at = excluded.granted_at,
    expires_at = excluded.expires_at
WHERE host_lease.expires_at <= clock_timestamp()
RETURNING host_id, holder, campaign_id, token, expires_at
