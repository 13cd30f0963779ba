-- Campaigns that are not over, the most urgent first, with the opening that was weighed for them and their newest move
-- to an earlier window.
SELECT
    campaign.campaign_id,
    campaign.title,
    campaign.state,
    campaign.state_reason,
    campaign.asset_group,
    campaign.priority,
    campaign.deadline,
    campaign.window_name,
    campaign.reasons,
    campaign.created_at,
    (
        SELECT count(*) FROM campaign_host
        WHERE campaign_host.campaign_id = campaign.campaign_id AND campaign_host.ring <> 'staging'
    ) AS hosts,
    window_choice.chosen_start,
    window_choice.refused,
    window_choice.sentence AS window_sentence,
    moved.state AS move_state,
    moved.to_window,
    moved.reason AS move_reason
FROM campaign
LEFT JOIN window_choice ON campaign.campaign_id = window_choice.campaign_id
LEFT JOIN LATERAL (
    SELECT
        window_move.state,
        window_move.to_window,
        window_move.reason
    FROM window_move
    WHERE window_move.campaign_id = campaign.campaign_id AND window_move.plan_hash = campaign.plan_hash
    ORDER BY window_move.proposed_at DESC, window_move.move_id DESC
    LIMIT 1
) AS moved ON TRUE
WHERE NOT campaign.state = any(%(over)s)
ORDER BY
    array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], campaign.priority) ASC,
    campaign.deadline ASC NULLS LAST,
    campaign.campaign_id ASC
LIMIT %(most)s
