-- Findings of which nobody said anything that a decision can rest on, read advisory by advisory.
SELECT (
    SELECT count(*)
    FROM decision
    INNER JOIN finding ON decision.advisory_id = finding.advisory_id AND decision.decision_id = finding.decision_id
    INNER JOIN host ON finding.host_id = host.host_id
    WHERE decision.is_unscored AND finding.status IN ('open', 'accepted') AND host.retired_at IS NULL
) + (
    SELECT count(*)
    FROM finding
    INNER JOIN host ON finding.host_id = host.host_id
    WHERE
        finding.priority_since IS NULL
        AND finding.decision_id IS NULL
        AND finding.status IN ('open', 'accepted')
        AND host.retired_at IS NULL
) AS unscored
