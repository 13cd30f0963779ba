-- How many hosts there are, and the first names of those that want a look.
WITH known AS (
    SELECT
        host_id,
        NOT reachable AS is_unreachable,
        collected_at IS NULL AS is_never_seen,
        coalesce(reboot_required, FALSE) AS is_reboot_pending
    FROM host
    WHERE retired_at IS NULL
)

SELECT
    count(*) AS known,
    count(*) FILTER (WHERE known.is_unreachable) AS unreachable,
    count(*) FILTER (WHERE known.is_never_seen) AS never_seen,
    count(*) FILTER (WHERE known.is_reboot_pending) AS reboot_pending,
    (
        SELECT coalesce(array_agg(named.host_id ORDER BY named.host_id), '{}')
        FROM (SELECT host_id FROM known WHERE is_unreachable ORDER BY host_id LIMIT %(names)s) AS named
    ) AS unreachable_names,
    (
        SELECT coalesce(array_agg(named.host_id ORDER BY named.host_id), '{}')
        FROM (SELECT host_id FROM known WHERE is_never_seen ORDER BY host_id LIMIT %(names)s) AS named
    ) AS never_seen_names,
    (
        SELECT coalesce(array_agg(named.host_id ORDER BY named.host_id), '{}')
        FROM (SELECT host_id FROM known WHERE is_reboot_pending ORDER BY host_id LIMIT %(names)s) AS named
    ) AS reboot_pending_names
FROM known
