-- New findings that take the place of others (the same vulnerability in the same package: same_as), with the others'
-- clock.
INSERT INTO work_heir (host_no, advisory_id, started_at, deadline)
SELECT
    work_shown.host_no,
    work_outcome.advisory_id,
    min(coalesce(finding.reopened_at, finding.first_seen_at)) AS started_at,
    min(finding.deadline) AS deadline
FROM work_pair
INNER JOIN work_outcome
    ON
        work_pair.advisory_id = work_outcome.advisory_id
        AND work_pair.source_version = work_outcome.installed_version
        AND work_pair.source_package = work_outcome.source_package
INNER JOIN work_shown
    ON
        work_outcome.holding_id = work_shown.holding_id
        AND work_outcome.kind_id = work_shown.kind_id
        AND work_outcome.advisory_id = work_shown.advisory_id
CROSS JOIN LATERAL jsonb_array_elements_text(work_pair.same_as) AS other (advisory_id)
INNER JOIN finding_host ON work_shown.host_no = finding_host.host_no
CROSS JOIN LATERAL finding_of(finding_host.host_id, other.advisory_id) AS finding
WHERE
    work_pair.same_as IS NOT NULL
    AND finding.status IN ('open', 'accepted')
    AND NOT EXISTS (
        SELECT 1 FROM work_standing
        WHERE
            work_standing.host_no = work_shown.host_no AND work_standing.advisory_id = work_outcome.advisory_id
    )
GROUP BY work_shown.host_no, work_outcome.advisory_id
