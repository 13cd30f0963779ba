-- The rows of each bucket become one; what adds up to nothing goes.
WITH taken AS (
    DELETE FROM risk_summary
    RETURNING *
)

INSERT INTO risk_summary (
    asset_group, priority, status, is_unscored, deadline_hour, seen_hour, findings, oldest_at, next_deadline, summed_at
)
SELECT
    asset_group,
    priority,
    status,
    is_unscored,
    deadline_hour,
    seen_hour,
    sum(findings) AS findings,
    min(oldest_at) AS oldest_at,
    min(next_deadline) AS next_deadline,
    %(now)s::timestamptz AS summed_at
FROM taken
GROUP BY asset_group, priority, status, is_unscored, deadline_hour, seen_hour
HAVING sum(findings) <> 0
