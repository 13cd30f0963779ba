SELECT count(*) > 0 AS stands FROM work_standing
