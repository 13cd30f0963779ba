-- What speaks against the live acceptances (of an id, or all) at a moment. No row: it holds.
SELECT
    acceptance_id,
    kind,
    subject,
    detail
FROM acceptance_fault(%(at)s, %(acceptance_id)s)
ORDER BY acceptance_id, kind, subject
