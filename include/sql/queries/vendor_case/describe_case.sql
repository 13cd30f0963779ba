UPDATE vendor_case
SET title = %(title)s, summary = %(summary)s, updated_at = %(at)s
WHERE case_id = %(case_id)s AND state = 'open'
