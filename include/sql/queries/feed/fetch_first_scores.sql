-- Whether there is no score of EPSS yet.
SELECT NOT EXISTS (SELECT 1 FROM epss) AS first_load
