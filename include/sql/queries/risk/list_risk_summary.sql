-- Overdue counts whole hours: a deadline counts as past at the latest an hour after it passed.
SELECT
    asset_group,
    priority,
    sum(findings) FILTER (WHERE status = 'open')::bigint AS open,
    sum(findings) FILTER (WHERE status = 'accepted')::bigint AS accepted,
    sum(findings) FILTER (WHERE status = 'open' AND is_unscored)::bigint AS unscored,
    sum(findings) FILTER (WHERE status = 'open' AND deadline_hour + interval '1 hour' <= %(now)s)::bigint AS overdue,
    min(oldest_at) FILTER (WHERE status = 'open') AS oldest_at,
    min(next_deadline) FILTER (WHERE status = 'open') AS next_deadline,
    max(summed_at) AS summed_at
FROM risk_summary
GROUP BY asset_group, priority
ORDER BY asset_group, array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], priority)
