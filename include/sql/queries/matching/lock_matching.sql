-- One matching at a time: two would find the same findings new. The number is any constant.
SELECT pg_advisory_xact_lock(1349872993)
