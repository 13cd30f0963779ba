-- The new findings that get others' clock.
INSERT INTO work_touched (finding_id)
SELECT finding.finding_id
FROM work_heir
INNER JOIN finding_host ON work_heir.host_no = finding_host.host_no
CROSS JOIN LATERAL finding_of(finding_host.host_id, work_heir.advisory_id) AS finding
