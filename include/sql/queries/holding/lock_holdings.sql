-- One at a time: two would write the same groups.
SELECT pg_advisory_xact_lock(%(key)s)
