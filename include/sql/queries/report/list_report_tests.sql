SELECT
    stage,
    host_id,
    passed,
    tests,
    failures,
    duration_seconds,
    junit_uri,
    cases,
    started_at
FROM test_run
WHERE campaign_id = %(campaign_id)s
ORDER BY test_run_id
