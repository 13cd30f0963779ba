-- All that a chunk's groups show and that is not settled.
INSERT INTO work_group (holding_id, kind_id, host_block, advisory_id, host_nos)
SELECT
    alike.holding_id,
    alike.kind_id,
    alike.host_block,
    outcome.advisory_id,
    alike.host_nos
FROM work_outcome AS outcome
INNER JOIN holding_group AS alike ON outcome.holding_id = alike.holding_id AND outcome.kind_id = alike.kind_id
WHERE
    alike.host_block BETWEEN %(first_block)s::integer AND %(last_block)s::integer
    AND NOT EXISTS (
        SELECT 1 FROM work_settled AS settled
        WHERE
            settled.holding_id = alike.holding_id
            AND settled.kind_id = alike.kind_id
            AND settled.host_block = alike.host_block
            AND settled.advisory_id = outcome.advisory_id
    )
