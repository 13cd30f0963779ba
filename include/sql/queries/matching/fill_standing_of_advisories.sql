-- As fill_standing, for the advisories in work_advisory only.
INSERT INTO work_standing (finding_id, host_id, advisory_id, is_live)
SELECT
    finding.finding_id,
    finding.host_id,
    finding.advisory_id,
    finding.status IN ('open', 'accepted') AS is_live
FROM work_advisory
INNER JOIN finding ON work_advisory.advisory_id = finding.advisory_id
INNER JOIN work_scope ON finding.host_id = work_scope.host_id
WHERE work_scope.chunk = %(chunk)s
