-- The newest comparison of each asset group.
SELECT DISTINCT ON (asset_group)
    comparison_id,
    asset_group,
    history,
    first_day,
    last_day,
    advisories,
    in_force,
    recommended,
    robust,
    result,
    compared_at
FROM strategy_comparison
ORDER BY asset_group ASC, compared_at DESC, comparison_id DESC
