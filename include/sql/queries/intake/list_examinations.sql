-- What was said of the packages of one intake, the sternest first.
SELECT
    examiner,
    package,
    version,
    architecture,
    against,
    action,
    concerns,
    facts,
    seconds
FROM package_examination
WHERE intake_id = %(intake_id)s
ORDER BY
    CASE action WHEN 'refuse' THEN 0 WHEN 'review' THEN 1 WHEN 'note' THEN 2 ELSE 3 END,
    package,
    architecture,
    examiner
