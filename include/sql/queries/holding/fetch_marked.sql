-- Whether any host's holdings have to be found out anew.
SELECT EXISTS (SELECT 1 FROM holding_change) AS is_marked
