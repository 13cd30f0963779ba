INSERT INTO vendor_case_event (case_id, at, actor, kind, sentence, details, marker)
VALUES (%(case_id)s, %(at)s, %(actor)s, %(kind)s, %(sentence)s, %(details)s, %(marker)s)
ON CONFLICT (case_id, marker) DO NOTHING
