-- What a train has taken for campaigns that are not to be placed any more.
SELECT
    coalesce(sum(train_slot.minutes), 0)::integer AS minutes,
    count(*)::integer AS campaigns
FROM train_slot
INNER JOIN campaign ON train_slot.campaign_id = campaign.campaign_id
WHERE
    train_slot.train_id = %(train_id)s
    AND NOT train_slot.campaign_id = any(%(to_place)s::text[])
    AND campaign.state NOT IN ('superseded', 'rejected')
