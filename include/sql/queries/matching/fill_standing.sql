-- The findings that the chunk's hosts have already.
INSERT INTO work_standing (finding_id, host_id, advisory_id, is_live)
SELECT
    finding.finding_id,
    finding.host_id,
    finding.advisory_id,
    finding.status IN ('open', 'accepted') AS is_live
FROM work_scope
INNER JOIN finding ON work_scope.host_id = finding.host_id
WHERE work_scope.chunk = %(chunk)s
