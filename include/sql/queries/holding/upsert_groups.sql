INSERT INTO holding_group (holding_id, host_block, kind_id, host_nos)
SELECT
    holding_id,
    host_block,
    kind_id,
    host_nos
FROM work_regrouped
WHERE cardinality(host_nos) > 0
ON CONFLICT (holding_id, host_block, kind_id) DO UPDATE SET host_nos = excluded.host_nos
