-- A superseded decision that no finding refers to any more explains nothing.
DELETE FROM decision
WHERE
    superseded_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM finding WHERE finding.decision_id = decision.decision_id)
