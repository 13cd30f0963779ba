-- Whether a whole matching was ever done, and how many hosts there are.
SELECT
    count(*) AS hosts,
    (SELECT count(*) FROM match_run WHERE match_run.scope = 'all') > 0 AS matched_whole
FROM host
WHERE host.retired_at IS NULL
