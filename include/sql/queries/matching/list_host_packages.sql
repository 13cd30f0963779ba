-- What some hosts have, as ecosystem/package.
WITH held AS (
    SELECT DISTINCT unnest(host_holding.holding_ids) AS holding_id
    FROM finding_host
    INNER JOIN host_holding ON finding_host.host_no = host_holding.host_no
    WHERE finding_host.host_id = any(%(host_ids)s::text[])
)

SELECT DISTINCT holding.ecosystem || '/' || holding.source_package AS package
FROM held
INNER JOIN holding ON held.holding_id = holding.holding_id
