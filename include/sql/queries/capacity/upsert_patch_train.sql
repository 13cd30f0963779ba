INSERT INTO patch_train (train_id, starts_at, ends_at, capacity_minutes, planned_minutes, over_capacity, planned_at)
VALUES (
    %(train_id)s, %(starts_at)s, %(ends_at)s, %(capacity_minutes)s, %(planned_minutes)s, %(over_capacity)s,
    %(planned_at)s
)
ON CONFLICT (train_id) DO UPDATE SET
    ends_at = excluded.ends_at,
    capacity_minutes = excluded.capacity_minutes,
    planned_minutes = excluded.planned_minutes,
    over_capacity = excluded.over_capacity,
    planned_at = excluded.planned_at
