-- Only ever raises: what was seen is held, whatever a feed says later.
INSERT INTO threat_state AS held (
    cve_id, kev_added, kev_due, known_ransomware, exploitation, exploitation_source, exploitation_dated_at, epss_base,
    epss_peak, epss_peak_date, epss_model, signals, seen_at
)
SELECT
    row.cve_id,
    row.kev_added,
    row.kev_due,
    row.known_ransomware,
    row.exploitation,
    CASE WHEN row.exploitation IS NOT NULL THEN row.exploitation_source END AS exploitation_source,
    CASE WHEN row.exploitation IS NOT NULL THEN row.exploitation_dated_at END AS exploitation_dated_at,
    CASE WHEN row.rebase THEN row.epss END AS epss_base,
    row.epss,
    row.epss_date,
    row.epss_model,
    row.signals,
    %(now)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text,
            kev_added date,
            kev_due date,
            known_ransomware boolean,
            exploitation text,
            exploitation_source text,
            exploitation_dated_at timestamptz,
            epss double precision,
            epss_date date,
            epss_model text,
            rebase boolean,
            signals text[]
        )
ON CONFLICT (cve_id) DO UPDATE
    SET
        kev_added = coalesce(excluded.kev_added, held.kev_added),
        kev_due = coalesce(excluded.kev_due, held.kev_due),
        known_ransomware = held.known_ransomware OR excluded.known_ransomware,
        exploitation = CASE
            WHEN
                coalesce(array_position(ARRAY['none', 'poc', 'active'], excluded.exploitation), 0)
                > coalesce(array_position(ARRAY['none', 'poc', 'active'], held.exploitation), 0)
                THEN excluded.exploitation
            ELSE held.exploitation
        END,
        exploitation_source = CASE
            WHEN
                coalesce(array_position(ARRAY['none', 'poc', 'active'], excluded.exploitation), 0)
                > coalesce(array_position(ARRAY['none', 'poc', 'active'], held.exploitation), 0)
                THEN excluded.exploitation_source
            ELSE held.exploitation_source
        END,
        exploitation_dated_at = CASE
            WHEN
                coalesce(array_position(ARRAY['none', 'poc', 'active'], excluded.exploitation), 0)
                > coalesce(array_position(ARRAY['none', 'poc', 'active'], held.exploitation), 0)
                THEN excluded.exploitation_dated_at
            ELSE held.exploitation_dated_at
        END,
        epss_base = coalesce(excluded.epss_base, held.epss_base),
        epss_peak = greatest(held.epss_peak, excluded.epss_peak),
        epss_peak_date = CASE
            WHEN coalesce(excluded.epss_peak, -1) > coalesce(held.epss_peak, -1) THEN excluded.epss_peak_date
            ELSE held.epss_peak_date
        END,
        epss_model = coalesce(excluded.epss_model, held.epss_model),
        signals = united_texts(held.signals, excluded.signals),
        seen_at = excluded.seen_at
