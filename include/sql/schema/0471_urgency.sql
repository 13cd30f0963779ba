-- Threat intelligence: the highest urgency that was ever seen of a CVE, what raised it, and the windows it moved.

-- What was last seen, and never forgotten by itself: a feed that says less later lowers nothing. A person may set it
-- back to what the feeds say (./suture urgency release).
CREATE TABLE threat_state (
    cve_id text PRIMARY KEY,
    kev_added date,                     -- NULL: never seen in KEV
    kev_due date,
    known_ransomware boolean NOT NULL DEFAULT FALSE,
    exploitation text CHECK (exploitation IN ('none', 'poc', 'active')), -- NULL: nobody ever said
    exploitation_source text,
    exploitation_dated_at timestamptz,
    epss_base double precision,         -- what the next jump is measured from; NULL: never in EPSS
    epss_peak double precision,         -- the highest since a person last set it back
    epss_peak_date date,
    epss_model text,                    -- another model is another measure: it gives a new base and no jump
    signals text[] NOT NULL DEFAULT '{}', -- indicators and sightings seen, as <feed>:<STIX id>
    seen_at timestamptz NOT NULL
);

-- One thing that became more urgent. Rows are never changed.
CREATE TABLE urgency_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cve_id text NOT NULL,
    kind text NOT NULL
    CHECK (kind IN ('kev_added', 'ransomware', 'exploitation', 'epss_jump', 'indicator', 'released')),
    before text,                        -- NULL: nothing was known
    after text NOT NULL,
    source text NOT NULL,
    reason text NOT NULL,               -- the sentence
    findings integer NOT NULL,          -- open or accepted ones whose advisory names the CVE, at that moment
    hosts integer NOT NULL,
    asset_groups text[] NOT NULL,
    detected_at timestamptz NOT NULL
);
CREATE INDEX urgency_change_by_time ON urgency_change (detected_at DESC, change_id DESC);
CREATE INDEX urgency_change_by_cve ON urgency_change (cve_id);

-- A campaign's proposed way into an earlier window. The plan stays what it is: its hash is what was approved.
CREATE TABLE window_move (
    move_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    plan_hash text NOT NULL,            -- the plan that is to move; another plan needs another move
    from_window text NOT NULL,
    to_window text NOT NULL,
    reason text NOT NULL,
    state text NOT NULL CHECK (state IN ('proposed', 'released', 'refused', 'lapsed')),
    state_reason text NOT NULL,
    answered_by text,
    comment text,
    proposed_at timestamptz NOT NULL,
    answer_by timestamptz NOT NULL,
    answered_at timestamptz,
    UNIQUE (campaign_id, plan_hash, to_window, proposed_at)
);
CREATE UNIQUE INDEX window_move_one_open ON window_move (campaign_id) WHERE state = 'proposed';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER urgency_change_is_append_only BEFORE UPDATE OR DELETE ON urgency_change
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER urgency_change_is_never_truncated BEFORE TRUNCATE ON urgency_change
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Signals of threat intelligence that count at a moment: not revoked, valid, and about a CVE. Empty where no feed
-- brings any (the table belongs to the STIX feed).
CREATE FUNCTION live_threat_signal(at timestamptz)
RETURNS TABLE (cve_id text, signal text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF to_regclass('threat_signal') IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE
        'SELECT DISTINCT named.cve_id, found.source || '':'' || found.signal_id
         FROM threat_signal AS found CROSS JOIN LATERAL unnest(found.cve_ids) AS named (cve_id)
         WHERE found.kind IN (''indicator'', ''sighting'') AND NOT found.revoked
           AND (found.valid_from IS NULL OR found.valid_from <= $1)
           AND (found.kind = ''sighting'' OR found.valid_until IS NULL OR found.valid_until > $1)'
    USING at;
END $$;

-- Both lists as one, each text once, in order.
CREATE FUNCTION united_texts(one text[], other text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY(SELECT DISTINCT named.item FROM unnest(one || other) AS named (item) ORDER BY named.item)
$$;

-- What counts as known of a CVE's threat: the feeds' word, but never less than what was seen before. A function, so
-- that
-- each CVE costs four look-ups by key, not a pass over all of EPSS. One row, always.
CREATE FUNCTION cve_threat(wanted text)
RETURNS TABLE (
    kev_added date,
    kev_due date,
    known_ransomware boolean,
    exploitation text,
    ssvc_source text,
    ssvc_dated_at timestamptz,
    epss double precision,
    epss_date date
) LANGUAGE sql STABLE AS $$
    SELECT
        coalesce(kev.date_added, threat_state.kev_added),
        coalesce(kev.due_date, threat_state.kev_due),
        CASE WHEN threat_state.known_ransomware THEN TRUE ELSE kev.known_ransomware END,
        CASE WHEN held.exploitation THEN threat_state.exploitation ELSE cve_ssvc.exploitation END,
        CASE
            WHEN held.exploitation THEN threat_state.exploitation_source || ' (held: the feed says less now)'
            ELSE cve_ssvc.source
        END,
        CASE WHEN held.exploitation THEN threat_state.exploitation_dated_at ELSE cve_ssvc.dated_at END,
        CASE WHEN held.epss THEN threat_state.epss_peak ELSE epss.probability END,
        CASE WHEN held.epss THEN threat_state.epss_peak_date ELSE epss.score_date END
    FROM (SELECT wanted AS cve_id) AS asked
    LEFT JOIN kev ON asked.cve_id = kev.cve_id
    LEFT JOIN cve_ssvc ON asked.cve_id = cve_ssvc.cve_id
    LEFT JOIN epss ON asked.cve_id = epss.cve_id
    LEFT JOIN threat_state ON asked.cve_id = threat_state.cve_id
    CROSS JOIN LATERAL (
        SELECT
            coalesce(array_position(ARRAY['none', 'poc', 'active'], threat_state.exploitation), 0)
            > coalesce(array_position(ARRAY['none', 'poc', 'active'], cve_ssvc.exploitation), 0) AS exploitation,
            coalesce(threat_state.epss_peak, -1) > coalesce(epss.probability, -1) AS epss
    ) AS held
$$;
