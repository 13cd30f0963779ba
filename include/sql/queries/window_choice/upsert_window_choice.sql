INSERT INTO window_choice (
    campaign_id, window_name, chosen_start, chosen_end, refused, steers, sentence, arithmetic, weighed_at
)
VALUES (
    %(campaign_id)s, %(window_name)s, %(chosen_start)s, %(chosen_end)s, %(refused)s, %(steers)s, %(sentence)s,
    %(arithmetic)s, %(weighed_at)s
)
ON CONFLICT (campaign_id) DO UPDATE SET
    window_name = excluded.window_name,
    chosen_start = excluded.chosen_start,
    chosen_end = excluded.chosen_end,
    refused = excluded.refused,
    steers = excluded.steers,
    sentence = excluded.sentence,
    arithmetic = excluded.arithmetic,
    weighed_at = excluded.weighed_at
