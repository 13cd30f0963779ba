-- What no host has any more.
DELETE FROM holding
WHERE
    holding_id IN (SELECT work_regrouped.holding_id FROM work_regrouped WHERE cardinality(work_regrouped.host_nos) = 0)
    AND NOT EXISTS (SELECT 1 FROM holding_group WHERE holding_group.holding_id = holding.holding_id)
