-- How many pairs take the place of others: as a rule few, and nothing has to be inherited.
SELECT count(*) AS pairs FROM work_pair
WHERE same_as IS NOT NULL
