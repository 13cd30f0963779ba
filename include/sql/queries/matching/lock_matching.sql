-- One matching at a time: two would find the same findings new.
SELECT pg_advisory_xact_lock(%(key)s)
