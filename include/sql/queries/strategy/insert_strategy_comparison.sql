INSERT INTO strategy_comparison (
    asset_group, history, first_day, last_day, advisories, in_force, recommended, robust, result, policy_hash,
    compared_at
)
VALUES (
    %(asset_group)s, %(history)s, %(first_day)s, %(last_day)s, %(advisories)s, %(in_force)s, %(recommended)s,
    %(robust)s, %(result)s, %(policy_hash)s, %(compared_at)s
)
RETURNING comparison_id
