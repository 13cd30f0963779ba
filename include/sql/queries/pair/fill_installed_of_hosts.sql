-- As fill_installed, of some hosts only. Where hosts of two distributions share a code name, the other distribution
-- comes along with each version that its hosts have as well: no statement may then speak for just one of them.
WITH held AS MATERIALIZED (
    SELECT DISTINCT unnest(host_holding.holding_ids) AS holding_id
    FROM finding_host
    INNER JOIN host_holding ON finding_host.host_no = host_holding.host_no
    WHERE finding_host.host_id = any(%(host_ids)s::text[])
),

own AS MATERIALIZED (
    SELECT DISTINCT
        holding.ecosystem,
        holding.source_package,
        unnest(holding.versions) AS source_version,
        holding.os_codename,
        holding.os_id
    FROM held
    INNER JOIN holding ON held.holding_id = holding.holding_id
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
    elsewhere.os_id
FROM own
INNER JOIN holding AS elsewhere
    ON
        own.source_package = elsewhere.source_package
        AND own.ecosystem = elsewhere.ecosystem
        AND own.os_codename = elsewhere.os_codename
        AND own.os_id <> elsewhere.os_id
WHERE own.source_version = any(elsewhere.versions)
