-- How many findings no source scores is read from the summary, as the pages read it. What only counting them needed
-- goes.
DROP INDEX decision_unscored;
DROP INDEX host_retired;
ALTER TABLE decision DROP COLUMN is_unscored;
