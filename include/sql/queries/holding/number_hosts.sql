-- Hosts get their numbers when their holdings are first found out, in their order.
INSERT INTO finding_host (host_id)
SELECT host.host_id
FROM host
LEFT JOIN finding_host AS known ON host.host_id = known.host_id
WHERE known.host_no IS NULL AND host.retired_at IS NULL AND host.host_id = any(%(host_ids)s::text[])
ORDER BY host.host_id
