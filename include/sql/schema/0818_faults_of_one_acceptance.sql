-- What speaks against one acceptance is asked of that one: `wanted` NULL asks all live ones, as before. A condition
-- behind the function came too late: at 8,281 findings in two acceptances, the page of either read what both cover.
DO $$
DECLARE
    body text := pg_get_functiondef('acceptance_fault(timestamptz)'::regprocedure);
    head_before text := 'acceptance_fault(at timestamp with time zone)';
    live_before text := 'WHERE risk_acceptance.state IN (''requested'', ''active'')';
BEGIN
    IF position(head_before IN body) = 0 OR position(live_before IN body) = 0 THEN
        RAISE EXCEPTION 'acceptance_fault is not the function of 0472 and 0702';
    END IF;
    body := replace(body, head_before, 'acceptance_fault(at timestamp with time zone, wanted text DEFAULT NULL)');
    body := replace(
        body, live_before, live_before || ' AND (wanted IS NULL OR risk_acceptance.acceptance_id = wanted)'
    );
    DROP FUNCTION acceptance_fault(timestamptz);
    EXECUTE body;
END $$;
