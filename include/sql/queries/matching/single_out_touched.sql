SELECT single_out(array(SELECT work_touched.finding_id FROM work_touched)) AS singled_out
