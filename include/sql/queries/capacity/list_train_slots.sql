-- Who is on which train and who waits, with the reason; campaigns that are tested already while their train runs.
SELECT
    train_slot.campaign_id,
    campaign.title,
    campaign.state,
    campaign.asset_group,
    campaign.priority,
    campaign.deadline,
    train_slot.train_id,
    train_slot.minutes,
    train_slot.measured,
    train_slot.risk,
    train_slot.sentence,
    train_slot.released_at
FROM train_slot
INNER JOIN campaign ON train_slot.campaign_id = campaign.campaign_id
LEFT JOIN patch_train ON train_slot.train_id = patch_train.train_id
WHERE
    (patch_train.ends_at > %(at)s AND campaign.state NOT IN ('superseded', 'rejected'))
    OR campaign.state IN ('planned', 'validated')
ORDER BY patch_train.starts_at ASC NULLS LAST, train_slot.risk DESC, train_slot.campaign_id ASC
