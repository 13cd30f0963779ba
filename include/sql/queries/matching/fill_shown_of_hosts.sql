-- What each host of a chunk of the scope shows.
INSERT INTO work_shown (host_no, holding_id, kind_id, advisory_id)
SELECT
    work_scope.host_no,
    outcome.holding_id,
    outcome.kind_id,
    outcome.advisory_id
FROM work_scope
INNER JOIN host_holding ON work_scope.host_no = host_holding.host_no
CROSS JOIN LATERAL unnest(host_holding.holding_ids) AS held (holding_id)
INNER JOIN work_outcome AS outcome
    ON held.holding_id = outcome.holding_id AND host_holding.kind_id = outcome.kind_id
WHERE work_scope.chunk = %(chunk)s
