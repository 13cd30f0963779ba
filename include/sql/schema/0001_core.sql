-- Suture's warehouse: the four nouns (advisory, finding, campaign, evidence) and what they stand on.
-- Every time is timestamptz in UTC; every digest is lower-case hexadecimal SHA-256.

CREATE TABLE feed_snapshot (
    snapshot_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    url text NOT NULL,
    status text NOT NULL CHECK (status IN ('accepted', 'unchanged', 'quarantined', 'replayed', 'unreachable')),
    reason text,
    content_sha256 text,
    etag text,
    last_modified text,
    data_date timestamptz,              -- what the feed says of its own age; NULL: it says nothing
    dated_snapshot boolean NOT NULL DEFAULT FALSE, -- TRUE: not the live endpoint, a copy of a stated date
    record_count integer,
    quarantined_count integer NOT NULL DEFAULT 0,
    fetched_at timestamptz NOT NULL
);
CREATE INDEX feed_snapshot_by_source ON feed_snapshot (source, fetched_at DESC);

CREATE TABLE feed_quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    record_id text NOT NULL,
    reason text NOT NULL,
    record jsonb,
    quarantined_at timestamptz NOT NULL
);

CREATE TABLE cve (
    cve_id text PRIMARY KEY,
    state text NOT NULL,
    title text,
    cwe_ids text[] NOT NULL DEFAULT '{}',
    published_at timestamptz,
    modified_at timestamptz,
    source text NOT NULL,
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id)
);

CREATE TABLE cve_score (
    cve_id text NOT NULL,
    source text NOT NULL,               -- who scored: cna:<name>, adp:CISA, nvd
    cvss_version text NOT NULL,
    vector text NOT NULL DEFAULT '',    -- '': the source gives a score without a vector
    base_score numeric(3, 1),
    severity text,                      -- the source's word where it gives no score
    dated_at timestamptz,
    PRIMARY KEY (cve_id, source, cvss_version, vector)
);

CREATE TABLE cve_ssvc (
    cve_id text PRIMARY KEY,
    exploitation text,
    automatable text,
    technical_impact text,
    dated_at timestamptz,
    source text NOT NULL
);

CREATE TABLE kev (
    cve_id text PRIMARY KEY,
    date_added date NOT NULL,
    due_date date,
    known_ransomware boolean,
    name text,
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id)
);

CREATE TABLE epss (
    cve_id text PRIMARY KEY,
    probability double precision NOT NULL CHECK (probability BETWEEN 0 AND 1),
    percentile double precision NOT NULL CHECK (percentile BETWEEN 0 AND 1),
    score_date date NOT NULL,
    model_version text NOT NULL
);

CREATE TABLE advisory (
    advisory_id text PRIMARY KEY,       -- <source>/<source package>@<fixed source version>
    source text NOT NULL,               -- name in policy/sources.yaml
    suite text NOT NULL,
    source_package text NOT NULL,
    fixed_version text NOT NULL,        -- source version, Debian order
    title text,
    urgency text,
    published_at timestamptz,
    details jsonb NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL,
    withdrawn_at timestamptz
);
CREATE INDEX advisory_by_package ON advisory (source_package);

CREATE TABLE advisory_cve (
    advisory_id text NOT NULL REFERENCES advisory (advisory_id) ON DELETE CASCADE,
    cve_id text NOT NULL,
    relation text NOT NULL DEFAULT 'mentioned', -- a changelog mentions; an advisory states
    PRIMARY KEY (advisory_id, cve_id)
);

CREATE TABLE advisory_package (
    advisory_id text NOT NULL REFERENCES advisory (advisory_id) ON DELETE CASCADE,
    package text NOT NULL,
    version text NOT NULL,
    architecture text NOT NULL,
    PRIMARY KEY (advisory_id, package, architecture)
);

CREATE TABLE host (
    host_id text PRIMARY KEY,           -- RFC 1123 name, as in the inventory
    asset_group text NOT NULL,
    environment text NOT NULL CHECK (environment IN ('production', 'staging')),
    criticality text NOT NULL CHECK (criticality IN ('low', 'medium', 'high', 'critical')),
    exposure text NOT NULL CHECK (exposure IN ('small', 'controlled', 'open')),
    inventory_groups text[] NOT NULL DEFAULT '{}',
    os_id text,
    os_codename text,
    architecture text,
    kernel_running text,
    kernel_installed text,
    reboot_required boolean,
    services jsonb NOT NULL DEFAULT '[]',
    services_needing_restart text[] NOT NULL DEFAULT '{}',
    facts jsonb NOT NULL DEFAULT '{}',
    reachable boolean NOT NULL DEFAULT TRUE,
    last_error text,
    collected_at timestamptz,           -- NULL: never reached
    retired_at timestamptz
);

CREATE TABLE host_package (
    host_id text NOT NULL REFERENCES host (host_id) ON DELETE CASCADE,
    package text NOT NULL,
    architecture text NOT NULL,
    version text NOT NULL,
    source_package text NOT NULL,
    source_version text NOT NULL,
    dpkg_status text NOT NULL,          -- as dpkg's status abbreviation: ii, hi, iF, iU, rc
    held boolean NOT NULL DEFAULT FALSE,
    PRIMARY KEY (host_id, package, architecture)
);
CREATE INDEX host_package_by_source ON host_package (source_package, source_version);

CREATE TABLE campaign (
    campaign_id text PRIMARY KEY,
    title text NOT NULL,
    state text NOT NULL,
    state_reason text NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    source text NOT NULL,
    asset_group text NOT NULL,
    requested_by text NOT NULL,
    priority text NOT NULL CHECK (priority IN ('immediate', 'out_of_cycle', 'scheduled', 'defer')),
    deadline timestamptz,
    window_name text NOT NULL,
    plan jsonb NOT NULL,                -- hosts by ring, packages, service tests: what was approved
    plan_hash text NOT NULL,            -- SHA-256 over the canonical JSON (RFC 8785) of plan
    reasons jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX campaign_by_state ON campaign (state);

CREATE TABLE campaign_host (
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    host_id text NOT NULL REFERENCES host (host_id),
    ring text NOT NULL,                 -- staging, canary, ring_1, ring_2, ring_3
    PRIMARY KEY (campaign_id, host_id)
);

CREATE TABLE campaign_package (
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    package text NOT NULL,
    architecture text NOT NULL,
    version text NOT NULL,              -- the version to install
    source_package text NOT NULL,
    source_version text NOT NULL,
    advisory_id text REFERENCES advisory (advisory_id), -- NULL: pulled in by the closure
    filename text,
    size_bytes bigint,
    sha256 text,                        -- NULL until validated
    PRIMARY KEY (campaign_id, package, architecture)
);

CREATE TABLE finding (
    finding_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id text NOT NULL REFERENCES host (host_id) ON DELETE CASCADE,
    advisory_id text NOT NULL REFERENCES advisory (advisory_id),
    source_package text NOT NULL,
    installed_version text NOT NULL,
    fixed_version text NOT NULL,
    packages text[] NOT NULL,           -- installed binary packages of that source
    status text NOT NULL CHECK (status IN ('open', 'fixed', 'accepted')),
    priority text NOT NULL CHECK (priority IN ('immediate', 'out_of_cycle', 'scheduled', 'defer')),
    score numeric(4, 1),                -- environmental CVSS of the worst CVE; NULL: unscored
    deadline timestamptz NOT NULL,
    reasons jsonb NOT NULL,
    campaign_id text REFERENCES campaign (campaign_id),
    first_seen_at timestamptz NOT NULL,
    scored_at timestamptz NOT NULL,
    closed_at timestamptz,
    UNIQUE (host_id, advisory_id)
);
CREATE INDEX finding_open ON finding (status, priority, deadline);

CREATE TABLE approval (
    approval_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    gate text NOT NULL,                 -- release
    seat text NOT NULL,                 -- first, second
    approver text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approve', 'reject')),
    comment text,
    plan_hash text NOT NULL,
    decided_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (campaign_id, gate, approver, plan_hash),
    UNIQUE (campaign_id, gate, seat, plan_hash)
);

CREATE TABLE host_lease (
    host_id text PRIMARY KEY,
    holder text NOT NULL,
    campaign_id text,
    token bigint NOT NULL,              -- grows with each grant: the fencing token
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE SEQUENCE host_lease_token;

CREATE TABLE host_step (
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    host_id text NOT NULL,
    phase text NOT NULL,                -- preflight, patch, verify, restore, release …
    plan_hash text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'done', 'failed', 'unknown')),
    token bigint NOT NULL,
    report jsonb NOT NULL DEFAULT '{}',
    error text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (campaign_id, host_id, phase, plan_hash)
);

CREATE TABLE backup (
    backup_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    host_id text NOT NULL,
    tool text NOT NULL,
    repository text NOT NULL,
    snapshot_ref text,
    status text NOT NULL CHECK (status IN ('verified', 'failed')),
    taken_at timestamptz NOT NULL,
    checked_at timestamptz,             -- the repository's data was read back and matched
    restored_at timestamptz,            -- a test restore was made and compared
    size_bytes bigint,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX backup_by_host ON backup (host_id, taken_at DESC);

CREATE TABLE verdict (
    verdict_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    ring text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
    reason text NOT NULL,
    measures jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    judged_at timestamptz NOT NULL
);

CREATE TABLE incident (
    incident_id text PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    status text NOT NULL CHECK (status IN ('open', 'contained', 'closed')),
    severity text NOT NULL,
    summary text NOT NULL,
    impact jsonb NOT NULL DEFAULT '{}',
    declared_by text NOT NULL,
    declared_at timestamptz NOT NULL,
    closed_at timestamptz
);

CREATE TABLE retired_version (
    source_package text NOT NULL,
    source_version text NOT NULL,
    asset_group text NOT NULL DEFAULT '*',
    campaign_id text REFERENCES campaign (campaign_id),
    reason text NOT NULL,
    retired_at timestamptz NOT NULL,
    PRIMARY KEY (source_package, source_version, asset_group)
);

CREATE TABLE source_state (
    source text NOT NULL,
    suite text NOT NULL,
    release_date timestamptz NOT NULL,
    inrelease_sha256 text NOT NULL,
    key_fingerprint text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (source, suite)
);

CREATE TABLE intake (
    intake_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text REFERENCES campaign (campaign_id),
    source text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('adopted', 'refused')),
    reason text,                        -- one of sourcing.RefusalReason; NULL when adopted
    sentence text NOT NULL,
    snapshot_ref text,
    chain jsonb NOT NULL DEFAULT '{}',
    decided_at timestamptz NOT NULL
);

CREATE TABLE test_run (
    test_run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    stage text NOT NULL,                -- before, after, rolled_back, forward_again, ring name
    host_id text NOT NULL,
    passed boolean NOT NULL,
    tests integer NOT NULL,
    failures integer NOT NULL,
    duration_seconds double precision NOT NULL,
    junit_uri text,
    cases jsonb NOT NULL DEFAULT '[]',
    started_at timestamptz NOT NULL
);

CREATE TABLE report (
    report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text REFERENCES campaign (campaign_id),
    kind text NOT NULL,
    uri text NOT NULL,
    sha256 text NOT NULL,
    evidence_seq bigint NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE evidence (
    seq bigint PRIMARY KEY,             -- 1, 2, 3 … without a gap
    recorded_at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    campaign_id text,
    grounds jsonb NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL UNIQUE
);
CREATE INDEX evidence_by_campaign ON evidence (campaign_id, seq);

CREATE FUNCTION refuse_evidence_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'evidence is append-only: % refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER evidence_is_append_only BEFORE UPDATE OR DELETE ON evidence
FOR EACH ROW EXECUTE FUNCTION refuse_evidence_change();
CREATE TRIGGER evidence_is_never_truncated BEFORE TRUNCATE ON evidence
FOR EACH STATEMENT EXECUTE FUNCTION refuse_evidence_change();
