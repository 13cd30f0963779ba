-- Groups in whose block anybody has a finding of the advisory, or may have one whose place it takes, are compared host
-- by host. The others are new as a whole.
WITH opened AS (
    DELETE FROM work_group
    WHERE
        (advisory_id, host_block) IN (
            SELECT
                standing.advisory_id,
                standing.host_no / 1024 AS host_block
            FROM work_standing AS standing
        )
        OR advisory_id IN (SELECT work_pair.advisory_id FROM work_pair WHERE work_pair.same_as IS NOT NULL)
    RETURNING *
)

INSERT INTO work_shown (host_no, holding_id, kind_id, advisory_id)
SELECT
    unnest(host_nos) AS host_no,
    holding_id,
    kind_id,
    advisory_id
FROM opened
