-- How many scored open findings rest on some decisions.
SELECT (
    SELECT count(*)
    FROM decision
    INNER JOIN own_finding AS own
        ON decision.advisory_id = own.advisory_id AND decision.decision_id = own.decision_id
    WHERE
        decision.decision_id = any(%(decision_ids)s::bigint[])
        AND own.status IN ('open', 'accepted')
        AND own.priority_since IS NOT NULL
) + (
    SELECT coalesce(sum(cardinality(array_remove(shared.host_nos, 0))), 0)::bigint
    FROM decision
    INNER JOIN shared_finding AS shared
        ON decision.advisory_id = shared.advisory_id AND decision.decision_id = shared.decision_id
    WHERE decision.decision_id = any(%(decision_ids)s::bigint[]) AND shared.priority_since IS NOT NULL
) AS findings
