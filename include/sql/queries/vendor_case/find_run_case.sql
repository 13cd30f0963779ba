SELECT case_id FROM vendor_case
WHERE run_id = %(run_id)s
