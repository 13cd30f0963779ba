UPDATE host
SET retired_at = %(at)s, reachable = FALSE, last_error = 'No longer in the inventory, or in no asset group.'
WHERE retired_at IS NULL AND NOT host_id = any(%(present)s)
RETURNING host_id
