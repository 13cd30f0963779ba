-- The marks of hosts and packages, taken; whether any host's holdings have to be found out anew; whether a whole
-- matching was ever done; and how many hosts there are, where any is marked.
WITH taken_host AS (
    DELETE FROM host_change
    RETURNING host_id
),

taken_package AS (
    DELETE FROM package_change
    RETURNING package
)

SELECT
    array(SELECT DISTINCT taken_host.host_id FROM taken_host) AS hosts,
    array(SELECT DISTINCT taken_package.package FROM taken_package) AS packages,
    (SELECT count(*) FROM holding_change) > 0 AS holdings,
    (SELECT count(*) FROM match_run WHERE match_run.scope = 'all') > 0 AS matched_whole,
    (
        SELECT count(*) FROM host
        WHERE host.retired_at IS NULL AND EXISTS (SELECT 1 FROM taken_host)
    ) AS fleet
