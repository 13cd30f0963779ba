INSERT INTO test_run (
    campaign_id, stage, host_id, passed, tests, failures, duration_seconds, junit_uri, cases, started_at
)
VALUES (
    %(campaign_id)s, %(stage)s, %(host_id)s, %(passed)s, %(tests)s, %(failures)s,
    %(duration_seconds)s, %(junit_uri)s, %(cases)s, %(started_at)s
)
