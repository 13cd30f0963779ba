-- Of hosts that are gone or retired.
DELETE FROM host_holding
USING work_marked
WHERE
    host_holding.host_no = work_marked.host_no
    AND work_marked.kind_id IS NULL
    AND work_marked.chunk = %(chunk)s
