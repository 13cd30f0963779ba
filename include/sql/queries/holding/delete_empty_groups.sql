DELETE FROM holding_group
USING work_regrouped
WHERE
    holding_group.holding_id = work_regrouped.holding_id
    AND holding_group.host_block = work_regrouped.host_block
    AND holding_group.kind_id = work_regrouped.kind_id
    AND cardinality(work_regrouped.host_nos) = 0
