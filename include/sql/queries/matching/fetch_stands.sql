-- Whether any host has a finding of the advisories in work_advisory: of new ones none has.
SELECT
    EXISTS (
        SELECT 1 FROM shared_finding
        WHERE shared_finding.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory)
    )
    OR EXISTS (
        SELECT 1 FROM own_finding
        WHERE own_finding.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory)
    ) AS stands
