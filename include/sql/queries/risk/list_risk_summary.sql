-- Overdue counts whole hours: a deadline counts as past at the latest an hour after it passed.
WITH bucket AS (
    SELECT
        asset_group,
        priority,
        status,
        is_unscored,
        deadline_hour,
        sum(findings) AS findings,
        min(oldest_at) AS oldest_at,
        min(next_deadline) AS next_deadline,
        max(summed_at) AS summed_at
    FROM risk_summary
    GROUP BY asset_group, priority, status, is_unscored, deadline_hour, seen_hour
    HAVING sum(findings) <> 0
)

SELECT
    asset_group,
    priority,
    sum(findings) FILTER (WHERE status = 'open')::bigint AS open,
    sum(findings) FILTER (WHERE status = 'accepted')::bigint AS accepted,
    sum(findings) FILTER (WHERE status = 'open' AND is_unscored)::bigint AS without_score,
    sum(findings) FILTER (WHERE status = 'accepted' AND is_unscored)::bigint AS accepted_without_score,
    sum(findings) FILTER (WHERE status = 'open' AND deadline_hour + interval '1 hour' <= %(now)s)::bigint AS overdue,
    min(oldest_at) FILTER (WHERE status = 'open') AS oldest_at,
    min(next_deadline) FILTER (WHERE status = 'open') AS next_deadline,
    max(summed_at) AS summed_at
FROM bucket
GROUP BY asset_group, priority
ORDER BY asset_group, array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], priority)
