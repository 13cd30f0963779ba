-- Whether a whole matching was ever done, how many hosts there are, and how many packages on them (an estimate).
SELECT
    EXISTS (SELECT 1 FROM match_run WHERE scope = 'all') AS matched_whole,
    (SELECT count(*) FROM host WHERE retired_at IS NULL) AS hosts
