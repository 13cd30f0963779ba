INSERT INTO match_run (scope, engine, hosts, advisories, seconds, matched_at)
VALUES (%(scope)s, %(engine)s, %(hosts)s, %(advisories)s, %(seconds)s, %(matched_at)s)
