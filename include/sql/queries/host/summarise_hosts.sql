-- How many hosts there are, and the first names of those that want a look.
SELECT
    count(*) AS known,
    count(*) FILTER (WHERE NOT reachable) AS unreachable,
    count(*) FILTER (WHERE collected_at IS NULL) AS never_seen,
    count(*) FILTER (WHERE reboot_required) AS reboot_pending,
    array(
        SELECT named.host_id FROM host AS named
        WHERE named.retired_at IS NULL AND NOT named.reachable
        ORDER BY named.host_id LIMIT %(names)s
    ) AS unreachable_names,
    array(
        SELECT named.host_id FROM host AS named
        WHERE named.retired_at IS NULL AND named.collected_at IS NULL
        ORDER BY named.host_id LIMIT %(names)s
    ) AS never_seen_names,
    array(
        SELECT named.host_id FROM host AS named
        WHERE named.retired_at IS NULL AND named.reboot_required
        ORDER BY named.host_id LIMIT %(names)s
    ) AS reboot_pending_names
FROM host
WHERE retired_at IS NULL
