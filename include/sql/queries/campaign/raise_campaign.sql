-- Only ever up: more urgent, or due earlier.
UPDATE campaign
SET
    priority = %(priority)s,
    deadline = least(deadline, %(deadline)s::timestamptz),
    reasons = reasons || %(reasons)s,
    revision = revision + 1,
    updated_at = %(at)s
WHERE
    campaign_id = %(campaign_id)s
    AND state = any(%(states)s)
    AND array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], priority)
    >= array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], %(priority)s)
