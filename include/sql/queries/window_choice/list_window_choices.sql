-- The choice for each campaign that is not yet rolling out.
SELECT
    window_choice.campaign_id,
    campaign.title,
    campaign.state,
    campaign.asset_group,
    campaign.priority,
    campaign.deadline,
    window_choice.window_name,
    window_choice.chosen_start,
    window_choice.chosen_end,
    window_choice.refused,
    window_choice.steers,
    window_choice.sentence,
    window_choice.arithmetic,
    window_choice.weighed_at
FROM window_choice
INNER JOIN campaign ON window_choice.campaign_id = campaign.campaign_id
WHERE campaign.state = any(%(states)s)
ORDER BY window_choice.chosen_start NULLS FIRST, window_choice.campaign_id
