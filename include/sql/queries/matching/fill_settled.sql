-- Shared findings of a chunk of blocks that say what their group shows, and of the same hosts: both are as they should
-- be, and are not opened. Most of a fleet, as a rule.
WITH standing AS MATERIALIZED (
    SELECT
        shared.first_id,
        shared.host_block,
        shared.advisory_id,
        shared.installed_version,
        shared.fixed_version,
        shared.packages,
        shared.conditions,
        array_remove(shared.host_nos, 0) AS host_nos
    FROM shared_finding AS shared
    WHERE
        shared.host_block BETWEEN %(first_block)s::integer AND %(last_block)s::integer
        AND (NOT %(of_advisories)s OR shared.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory))
)

INSERT INTO work_settled (first_id, holding_id, kind_id, host_block, advisory_id)
SELECT
    standing.first_id,
    alike.holding_id,
    alike.kind_id,
    alike.host_block,
    standing.advisory_id
FROM standing
INNER JOIN work_outcome AS outcome
    ON
        standing.advisory_id = outcome.advisory_id
        AND standing.installed_version = outcome.installed_version
        AND standing.fixed_version IS NOT DISTINCT FROM outcome.fixed_version
        AND standing.packages = outcome.packages
        AND standing.conditions = outcome.conditions
INNER JOIN holding_group AS alike
    ON
        standing.host_block = alike.host_block
        AND standing.host_nos = alike.host_nos
        AND outcome.holding_id = alike.holding_id
        AND outcome.kind_id = alike.kind_id
