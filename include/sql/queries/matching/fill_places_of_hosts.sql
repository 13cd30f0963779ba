-- As fill_places, for the hosts in the scope.
INSERT INTO work_place (holding_id, kind_id)
SELECT DISTINCT
    held.holding_id,
    host_holding.kind_id
FROM work_scope
INNER JOIN host_holding ON work_scope.host_no = host_holding.host_no
CROSS JOIN LATERAL unnest(host_holding.holding_ids) AS held (holding_id)
WHERE held.holding_id IN (SELECT work_found.holding_id FROM work_found)
