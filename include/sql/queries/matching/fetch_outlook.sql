-- Whether any pair takes the place of others, so that clocks are inherited; and whether any host may have a finding in
-- the scope: of advisories that are new (work_advisory) none has.
SELECT
    (SELECT count(*) FROM work_pair WHERE work_pair.same_as IS NOT NULL) > 0 AS inherits,
    NOT %(of_advisories)s
    OR EXISTS (
        SELECT 1 FROM shared_finding
        WHERE shared_finding.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory)
    )
    OR EXISTS (
        SELECT 1 FROM own_finding
        WHERE own_finding.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory)
    ) AS stands
