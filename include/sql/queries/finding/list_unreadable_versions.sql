-- Versions that hosts have and that no order can read: they match nothing, and that is not the same as safe.
WITH unreadable AS MATERIALIZED (
    SELECT
        known_version.ecosystem,
        known_version.version,
        known_version.error
    FROM known_version
    WHERE known_version.error IS NOT NULL
)

SELECT
    unreadable.ecosystem,
    unreadable.version,
    unreadable.error,
    count(DISTINCT member.host_no) AS hosts
FROM unreadable
INNER JOIN holding
    ON unreadable.ecosystem = holding.ecosystem AND unreadable.version = any(holding.versions)
INNER JOIN holding_group ON holding.holding_id = holding_group.holding_id
CROSS JOIN LATERAL unnest(holding_group.host_nos) AS member (host_no)
GROUP BY unreadable.ecosystem, unreadable.version, unreadable.error
ORDER BY unreadable.version
