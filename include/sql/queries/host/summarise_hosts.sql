-- How many hosts there are, and the first names of those that want a look.
SELECT
    count(*) AS known,
    count(*) FILTER (WHERE NOT reachable) AS unreachable,
    count(*) FILTER (WHERE collected_at IS NULL) AS never_seen,
    count(*) FILTER (WHERE reboot_required) AS reboot_pending,
    coalesce((array_agg(host_id ORDER BY host_id) FILTER (WHERE NOT reachable))[:%(names)s], '{}') AS unreachable_names,
    coalesce((array_agg(host_id ORDER BY host_id) FILTER (WHERE collected_at IS NULL))[:%(names)s], '{}') AS never_seen_names,
    coalesce((array_agg(host_id ORDER BY host_id) FILTER (WHERE reboot_required))[:%(names)s], '{}') AS reboot_pending_names
FROM host
WHERE retired_at IS NULL
