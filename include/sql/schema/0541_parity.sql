-- Mirrored staging: how alike it was to production, which snapshot of the internal repository it held, and the traffic
-- that was replayed on it.

-- One measurement of a campaign's staging hosts. Rows are never changed.
CREATE TABLE parity_run (
    parity_run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    plan_hash text NOT NULL,
    passed boolean NOT NULL,
    score double precision,             -- of 100; NULL: it could not be judged
    floor double precision NOT NULL,
    sentence text NOT NULL,
    result jsonb NOT NULL,              -- scores by host, what was compared, every difference
    snapshot jsonb NOT NULL,            -- {snapshot, digest, files}: what staging held
    measured_at timestamptz NOT NULL
);
CREATE INDEX parity_run_by_campaign ON parity_run (campaign_id, parity_run_id DESC);

-- One replay of recorded, masked requests on staging. Rows are never changed.
CREATE TABLE traffic_replay (
    traffic_replay_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    plan_hash text NOT NULL,
    stage text NOT NULL CHECK (stage IN ('before', 'after')),
    record_key text,                    -- of the object store; NULL: nothing was replayed
    record_sha256 text,
    requests integer NOT NULL,
    passed boolean NOT NULL,
    sentence text NOT NULL,
    routes jsonb NOT NULL,              -- by route: answers by class of status, latencies in ms
    result jsonb NOT NULL,              -- each answer: route, class, latency; for the comparison
    replayed_at timestamptz NOT NULL
);
CREATE INDEX traffic_replay_by_campaign ON traffic_replay (campaign_id, traffic_replay_id DESC);
