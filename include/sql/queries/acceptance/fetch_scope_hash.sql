SELECT acceptance_scope_hash(%(acceptance_id)s) AS scope_hash
