-- Whether a whole matching was ever done, and how many hosts there are.
SELECT
    count(*) AS hosts,
    EXISTS (SELECT 1 FROM match_run WHERE match_run.scope = 'all') AS matched_whole
FROM host
WHERE host.retired_at IS NULL
