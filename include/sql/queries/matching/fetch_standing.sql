-- Whether a whole matching was ever done; and how many hosts there are, where that is asked.
SELECT
    (SELECT count(*) FROM match_run WHERE match_run.scope = 'all') > 0 AS matched_whole,
    (SELECT count(*) FROM host WHERE host.retired_at IS NULL AND %(count_hosts)s) AS hosts
