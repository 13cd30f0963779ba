SELECT pg_advisory_xact_lock(hashtext('suture.threat_state'))
