-- Hand over what its train has come for, and what is immediate; each once.
UPDATE train_slot
SET released_at = %(at)s
FROM campaign
LEFT JOIN patch_train ON TRUE
WHERE
    train_slot.campaign_id = campaign.campaign_id
    AND train_slot.released_at IS NULL
    AND campaign.state = 'planned'
    AND train_slot.train_id = patch_train.train_id
    AND (campaign.priority = 'immediate' OR patch_train.starts_at <= %(at)s)
RETURNING train_slot.campaign_id
