-- As fill_installed, of some hosts only. Where hosts of two distributions share a code name, the other distribution
-- comes along with each version that its hosts have as well: no statement may then speak for just one of them.
WITH own AS MATERIALIZED (
    SELECT DISTINCT
        ecosystem,
        source_package,
        source_version,
        os_codename,
        os_id
    FROM installed_component
    WHERE host_id = any(%(host_ids)s::text[])
),

namesake AS MATERIALIZED (
    SELECT DISTINCT
        coalesce(host.os_codename, '') AS os_codename,
        coalesce(host.os_id, '') AS os_id
    FROM host
    WHERE host.retired_at IS NULL AND coalesce(host.os_codename, '') IN (SELECT own.os_codename FROM own)
)

INSERT INTO work_installed (ecosystem, source_package, source_version, os_codename, os_id)
SELECT
    own.ecosystem,
    own.source_package,
    own.source_version,
    own.os_codename,
    own.os_id
FROM own
UNION
SELECT
    own.ecosystem,
    own.source_package,
    own.source_version,
    own.os_codename,
    namesake.os_id
FROM own
INNER JOIN namesake ON own.os_codename = namesake.os_codename AND own.os_id <> namesake.os_id
CROSS JOIN LATERAL (
    SELECT 1 AS found
    FROM installed_component AS elsewhere
    WHERE
        own.source_package = elsewhere.source_package
        AND own.source_version = elsewhere.source_version
        AND own.ecosystem = elsewhere.ecosystem
        AND own.os_codename = elsewhere.os_codename
        AND namesake.os_id = elsewhere.os_id
    ORDER BY elsewhere.source_package
    LIMIT 1
) AS known
