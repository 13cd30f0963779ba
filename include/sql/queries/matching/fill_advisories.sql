INSERT INTO work_advisory (advisory_id)
SELECT advisory_id FROM advisory
WHERE advisory_id = any(%(advisory_ids)s::text[])
