SELECT *
FROM window_move
WHERE %(campaign_id)s::text IS NULL OR campaign_id = %(campaign_id)s
ORDER BY proposed_at DESC, move_id DESC
