SELECT count(*) AS situations FROM work_situation
