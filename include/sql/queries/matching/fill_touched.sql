-- Findings in shared rows that say something else now, or that no host shows any more.
WITH shown AS MATERIALIZED (
    SELECT
        work_shown.host_no,
        work_outcome.advisory_id,
        work_outcome.installed_version,
        work_outcome.fixed_version,
        work_outcome.packages,
        work_outcome.conditions
    FROM work_shown
    INNER JOIN work_outcome
        ON
            work_shown.holding_id = work_outcome.holding_id
            AND work_shown.kind_id = work_outcome.kind_id
            AND work_shown.advisory_id = work_outcome.advisory_id
)

INSERT INTO work_touched (finding_id)
SELECT work_standing.finding_id
FROM work_standing
INNER JOIN shared_finding AS shared ON work_standing.shared_id = shared.first_id
LEFT JOIN shown
    ON work_standing.host_no = shown.host_no AND work_standing.advisory_id = shown.advisory_id
WHERE
    shown.advisory_id IS NULL
    OR shared.installed_version <> shown.installed_version
    OR shared.fixed_version IS DISTINCT FROM shown.fixed_version
    OR shared.packages <> shown.packages
    OR shared.conditions <> shown.conditions
