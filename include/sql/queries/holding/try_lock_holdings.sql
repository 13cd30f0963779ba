-- As lock_holdings, where somebody else's keeping is as good.
SELECT pg_try_advisory_xact_lock(%(key)s) AS is_held
