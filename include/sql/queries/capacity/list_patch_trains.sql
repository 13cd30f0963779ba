SELECT
    train_id,
    starts_at,
    ends_at,
    capacity_minutes,
    planned_minutes,
    over_capacity,
    planned_at
FROM patch_train
WHERE ends_at > %(at)s
ORDER BY starts_at
