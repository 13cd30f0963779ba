-- Patches out of band: a case for each zero-day, from the request to the regular release that replaces the hotfix.

CREATE TABLE vendor_case_number (
    year integer PRIMARY KEY,
    last_number integer NOT NULL
);

CREATE TABLE vendor_case (
    case_id text PRIMARY KEY,           -- CASE-2026-0001
    run_id text NOT NULL UNIQUE,        -- the run of the form: trying its task again opens no second case
    vendor text NOT NULL,               -- vendors.yaml
    source_package text NOT NULL,
    title text NOT NULL,                -- under embargo: never in evidence, logs or reports
    summary text NOT NULL,
    cve_id text,
    tlp text NOT NULL CHECK (tlp IN ('RED', 'AMBER+STRICT', 'AMBER', 'GREEN', 'CLEAR')),
    embargo_until timestamptz,          -- NULL: until someone lifts it, or no embargo (CLEAR, GREEN)
    participants text[] NOT NULL,       -- who may read it under TLP:RED; the opener is one of them
    asset_group text NOT NULL,
    host_ids text[] NOT NULL,           -- the narrowed scope: production hosts that may get the hotfix
    state text NOT NULL CHECK (
        state IN (
            'open', 'asked', 'acknowledged', 'offered', 'rolling_out', 'in_place', 'refused', 'declined', 'withdrawn',
            'replaced'
        )
    ),
    state_reason text NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    asked_at timestamptz,
    acknowledge_by timestamptz,         -- the vendor owes an answer by then
    acknowledged_at timestamptz,
    fix_by timestamptz,                 -- and a hotfix by then
    vendor_reference text,              -- the vendor's own number for it
    hotfix_source text,
    hotfix_version text,                -- as the vendor says; what it is, the source's proof says
    campaign_id text REFERENCES campaign (campaign_id),
    replacement_campaign_id text REFERENCES campaign (campaign_id),
    updated_at timestamptz NOT NULL
);
CREATE INDEX vendor_case_by_state ON vendor_case (state);
CREATE INDEX vendor_case_by_campaign ON vendor_case (campaign_id);

-- What happened, in order; only ever added to.
CREATE TABLE vendor_case_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id text NOT NULL REFERENCES vendor_case (case_id),
    at timestamptz NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,                 -- opened, asked, acknowledged, offered, overdue, refused, …
    sentence text NOT NULL,             -- vendor's words are data, at most 2,000 characters
    details jsonb NOT NULL DEFAULT '{}',
    marker text,                        -- what is said once only
    UNIQUE (case_id, marker)
);
CREATE INDEX vendor_case_event_by_case ON vendor_case_event (case_id, event_id);
