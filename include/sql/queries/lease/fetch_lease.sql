SELECT
    host_id,
    holder,
    campaign_id,
    token,
    expires_at,
    expires_at > clock_timestamp() AS held
FROM host_lease
WHERE host_id = %(host_id)s
