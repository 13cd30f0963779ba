-- In order, so that what a matching reads together lies together.
INSERT INTO holding_group (holding_id, host_block, kind_id, host_nos)
SELECT
    holding_id,
    host_block,
    kind_id,
    host_nos
FROM work_regrouped
WHERE cardinality(host_nos) > 0
ORDER BY holding_id, kind_id, host_block
ON CONFLICT (holding_id, host_block, kind_id) DO UPDATE SET host_nos = excluded.host_nos
