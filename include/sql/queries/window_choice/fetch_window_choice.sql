SELECT
    campaign_id,
    window_name,
    chosen_start,
    chosen_end,
    refused,
    steers,
    sentence,
    arithmetic,
    weighed_at
FROM window_choice
WHERE campaign_id = %(campaign_id)s
