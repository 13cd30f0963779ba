-- Hosts that are matched for the first time get their numbers, in their order. host_ids NULL: all.
INSERT INTO finding_host (host_id)
SELECT host.host_id
FROM host
LEFT JOIN finding_host AS known ON host.host_id = known.host_id
WHERE
    known.host_no IS NULL
    AND host.retired_at IS NULL
    AND (%(host_ids)s::text[] IS NULL OR host.host_id = any(%(host_ids)s::text[]))
ORDER BY host.host_id
