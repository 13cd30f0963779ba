INSERT INTO host_holding (host_no, kind_id, holding_ids)
SELECT
    host_no,
    kind_id,
    holding_ids
FROM work_holding
ON CONFLICT (host_no) DO UPDATE SET kind_id = excluded.kind_id, holding_ids = excluded.holding_ids
WHERE
    host_holding.kind_id <> excluded.kind_id
    OR host_holding.holding_ids <> excluded.holding_ids
