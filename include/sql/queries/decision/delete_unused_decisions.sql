-- A superseded decision that no finding refers to any more explains nothing. advisory_ids NULL: of all advisories.
DELETE FROM decision
WHERE
    superseded_at IS NOT NULL
    AND (%(advisory_ids)s::text[] IS NULL OR advisory_id = any(%(advisory_ids)s::text[]))
    AND NOT EXISTS (
        SELECT 1 FROM own_finding
        WHERE own_finding.advisory_id = decision.advisory_id AND own_finding.decision_id = decision.decision_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM shared_finding
        WHERE shared_finding.advisory_id = decision.advisory_id AND shared_finding.decision_id = decision.decision_id
    )
