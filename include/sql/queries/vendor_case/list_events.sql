SELECT
    at,
    actor,
    kind,
    sentence,
    details
FROM vendor_case_event
WHERE case_id = %(case_id)s
ORDER BY event_id
