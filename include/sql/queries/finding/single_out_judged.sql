SELECT single_out(array(SELECT work_judged.finding_id FROM work_judged)) AS singled_out
