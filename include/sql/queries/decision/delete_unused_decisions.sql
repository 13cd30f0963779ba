-- A superseded decision that no finding refers to any more explains nothing. advisory_ids NULL: of all advisories.
DELETE FROM decision
WHERE
    superseded_at IS NOT NULL
    AND (%(advisory_ids)s::text[] IS NULL OR advisory_id = any(%(advisory_ids)s::text[]))
    AND NOT EXISTS (
        SELECT 1 FROM finding
        WHERE finding.advisory_id = decision.advisory_id AND finding.decision_id = decision.decision_id
    )
