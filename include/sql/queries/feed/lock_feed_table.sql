-- One writer at a time, until its transaction ends: MERGE, unlike ON CONFLICT, fails when another inserts the same key.
SELECT pg_advisory_xact_lock(hashtext('suture.feed'), hashtext(%(table)s))
