SELECT setval('host_lease_token', greatest(%(token)s::bigint, (SELECT last_value FROM host_lease_token))) AS token
