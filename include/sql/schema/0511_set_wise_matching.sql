-- Matching and scoring at ten thousand hosts (docs/adr/0016, 0021): what many hosts share is made once a run, only what
-- changed is scored, and the summary is kept by what is written.

-- Checked row by row, the key to campaign took a tenth of the time of writing a finding. Only link_campaign_findings
-- writes the column; what the key did for the other side, a trigger does.
ALTER TABLE finding DROP CONSTRAINT finding_campaign_id_fkey;
CREATE FUNCTION refuse_deleting_linked_campaign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM finding WHERE finding.campaign_id = old.campaign_id) THEN
        RAISE EXCEPTION 'campaign % has findings and cannot be deleted', old.campaign_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER campaign_with_findings_stays BEFORE DELETE ON campaign
FOR EACH ROW EXECUTE FUNCTION refuse_deleting_linked_campaign();

-- Pages read open findings only: the status in the predicate, not in each key.
DROP INDEX finding_open;
CREATE INDEX finding_open ON finding (priority, deadline, finding_id) WHERE status = 'open';

-- What was matched and not scored yet, or came back: as a rule none.
CREATE INDEX finding_unscored ON finding (advisory_id) WHERE priority_since IS NULL;

-- Marks: whose findings have to be scored again, since their decision was superseded or their host is of another kind.
-- A scoring that may not lower leaves them for the one that may.
CREATE TABLE score_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    advisory_id text,
    host_id text,
    CHECK (num_nonnulls(advisory_id, host_id) = 1)
);
INSERT INTO score_change (host_id) SELECT host_id FROM host;

CREATE FUNCTION mark_superseded_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO score_change (advisory_id) SELECT new.advisory_id;
    RETURN NULL;
END $$;
CREATE TRIGGER decision_is_superseded AFTER UPDATE ON decision FOR EACH ROW
WHEN (old.superseded_at IS NULL AND new.superseded_at IS NOT NULL)
EXECUTE FUNCTION mark_superseded_decision();

CREATE FUNCTION mark_host_of_another_kind() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO score_change (host_id) SELECT new.host_id;
    RETURN NULL;
END $$;
CREATE TRIGGER host_is_of_another_kind AFTER UPDATE ON host FOR EACH ROW
WHEN (
    (old.asset_group, old.criticality, old.exposure) IS DISTINCT FROM (new.asset_group, new.criticality, new.exposure)
)
EXECUTE FUNCTION mark_host_of_another_kind();

-- So that counting the unscored reads no reasons.
ALTER TABLE decision
ADD COLUMN is_unscored boolean GENERATED ALWAYS AS (reasons ->> 'state' = 'unscored') STORED;

-- The summary is the sum of its rows: each statement that writes findings adds what it changed, also below zero, and a
-- scoring folds the rows of a bucket into one. Nobody waits for a row. Times are exact to the hour of their bucket.
DROP TABLE risk_summary;
CREATE TABLE risk_summary (
    asset_group text NOT NULL,
    priority text NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'accepted')),
    is_unscored boolean NOT NULL,       -- no source gives a score
    deadline_hour timestamptz NOT NULL, -- the hour in which the deadlines lie
    seen_hour timestamptz NOT NULL,     -- the hour in which they were first seen, or came back
    findings bigint NOT NULL,
    oldest_at timestamptz,              -- NULL: findings that left the bucket
    next_deadline timestamptz,
    summed_at timestamptz               -- when a scoring folded it; NULL: not yet
);

CREATE FUNCTION sum_new_findings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_summary
    SELECT
        host.asset_group, changed.priority, changed.status, changed.score IS NULL, date_trunc('hour', changed.deadline),
        date_trunc('hour', coalesce(changed.reopened_at, changed.first_seen_at)), count(*),
        min(coalesce(changed.reopened_at, changed.first_seen_at)), min(changed.deadline)
    FROM changed INNER JOIN host ON changed.host_id = host.host_id
    WHERE changed.status IN ('open', 'accepted') AND host.retired_at IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
CREATE FUNCTION sum_removed_findings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_summary
    SELECT
        host.asset_group, changed.priority, changed.status, changed.score IS NULL, date_trunc('hour', changed.deadline),
        date_trunc('hour', coalesce(changed.reopened_at, changed.first_seen_at)), -count(*)
    FROM changed INNER JOIN host ON changed.host_id = host.host_id
    WHERE changed.status IN ('open', 'accepted') AND host.retired_at IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
CREATE FUNCTION sum_changed_findings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_summary
    SELECT
        host.asset_group, moved.priority, moved.status, moved.score IS NULL, date_trunc('hour', moved.deadline),
        date_trunc('hour', moved.seen_at), sum(moved.by),
        min(moved.seen_at) FILTER (WHERE moved.by > 0), min(moved.deadline) FILTER (WHERE moved.by > 0)
    FROM (
        SELECT host_id, priority, status, score, deadline, coalesce(reopened_at, first_seen_at) AS seen_at, 1 AS by
        FROM changed
        UNION ALL
        SELECT host_id, priority, status, score, deadline, coalesce(reopened_at, first_seen_at), -1
        FROM changed_from
    ) AS moved
    INNER JOIN host ON moved.host_id = host.host_id
    WHERE moved.status IN ('open', 'accepted') AND host.retired_at IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6
    HAVING sum(moved.by) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER finding_is_new AFTER INSERT ON finding
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sum_new_findings();
CREATE TRIGGER finding_is_removed AFTER DELETE ON finding
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION sum_removed_findings();
CREATE TRIGGER finding_is_another AFTER UPDATE ON finding
REFERENCING OLD TABLE AS changed_from NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION sum_changed_findings();

CREATE FUNCTION sum_moved_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_summary
    SELECT
        side.asset_group, finding.priority, finding.status, finding.score IS NULL, date_trunc('hour', finding.deadline),
        date_trunc('hour', coalesce(finding.reopened_at, finding.first_seen_at)), sum(side.by),
        min(coalesce(finding.reopened_at, finding.first_seen_at)) FILTER (WHERE side.by > 0),
        min(finding.deadline) FILTER (WHERE side.by > 0)
    FROM (
        VALUES (old.asset_group, -1, old.retired_at), (new.asset_group, 1, new.retired_at)
    ) AS side (asset_group, by, retired_at)
    CROSS JOIN finding
    WHERE side.retired_at IS NULL AND finding.host_id = new.host_id AND finding.status IN ('open', 'accepted')
    GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
CREATE TRIGGER host_moves_its_findings AFTER UPDATE ON host FOR EACH ROW
WHEN (
    (old.asset_group, old.retired_at IS NULL) IS DISTINCT FROM (new.asset_group, new.retired_at IS NULL)
)
EXECUTE FUNCTION sum_moved_host();

INSERT INTO risk_summary
SELECT
    host.asset_group,
    finding.priority,
    finding.status,
    finding.score IS NULL AS is_unscored,
    date_trunc('hour', finding.deadline) AS deadline_hour,
    date_trunc('hour', coalesce(finding.reopened_at, finding.first_seen_at)) AS seen_hour,
    count(*) AS findings,
    min(coalesce(finding.reopened_at, finding.first_seen_at)) AS oldest_at,
    min(finding.deadline) AS next_deadline,
    max(finding.scored_at) AS summed_at
FROM finding INNER JOIN host ON finding.host_id = host.host_id
WHERE finding.status IN ('open', 'accepted') AND host.retired_at IS NULL
GROUP BY host.asset_group, finding.priority, finding.status, is_unscored, deadline_hour, seen_hour;

-- The tables that a matching works in (templates, as in 0441). What hosts share is found once a run and kept for all
-- its chunks: a situation is what a host has of one source package, and comes to the same on every host of a kind.
DROP TABLE work_share;
CREATE TABLE work_kind (
    kind_id integer NOT NULL,
    asset_group text NOT NULL,
    criticality text NOT NULL,
    exposure text NOT NULL
);
ALTER TABLE work_scope ADD COLUMN kind_id integer NOT NULL;
CREATE TABLE work_situation (
    situation_id integer NOT NULL,
    ecosystem text NOT NULL,
    os_codename text NOT NULL,
    source_package text NOT NULL,
    packages text[] NOT NULL,           -- installed and affected, in order
    versions text[] NOT NULL,           -- of each
    standings integer[] NOT NULL,       -- of each, added up: 1 held, 2 half configured, 4 only runs, 8 stale
    runs_another_kernel boolean NOT NULL
);
CREATE TABLE work_held (host_id text NOT NULL, kind_id integer NOT NULL, situation_id integer NOT NULL);
CREATE TABLE work_found (
    situation_id integer NOT NULL,
    advisory_id text NOT NULL,
    ecosystem text NOT NULL,
    source_package text NOT NULL,
    installed_version text NOT NULL,
    fixed_version text,
    packages text[] NOT NULL,
    conditions text[] NOT NULL
);
CREATE TABLE work_place (situation_id integer NOT NULL, kind_id integer NOT NULL, chunk integer NOT NULL);
CREATE TABLE work_outcome (
    LIKE work_found,
    kind_id integer NOT NULL,
    priority text NOT NULL,
    score numeric(4, 1),
    deadline timestamptz NOT NULL,
    decision_id bigint
);
CREATE TABLE work_standing (
    finding_id bigint NOT NULL,
    host_id text NOT NULL,
    advisory_id text NOT NULL,
    is_live boolean NOT NULL            -- open or accepted
);
CREATE TABLE work_heir (
    host_id text NOT NULL,
    advisory_id text NOT NULL,
    started_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL
);

CREATE OR REPLACE FUNCTION open_match_work() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'scope', 'kind', 'advisory', 'pair', 'situation', 'held', 'found', 'place', 'outcome', 'standing', 'heir'
    ] LOOP
        EXECUTE format('DROP TABLE IF EXISTS pg_temp.work_%s', name);
        EXECUTE format('CREATE TEMPORARY TABLE work_%1$s (LIKE work_%1$s) ON COMMIT DROP', name);
    END LOOP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;                -- compiling took longer than it saved
    SET LOCAL enable_mergejoin = off;   -- it sorted arrays of text for a second, where hashing them takes a tenth
    SET LOCAL plan_cache_mode = force_custom_plan; -- a chunk's bounds decide between index and table
    SET LOCAL statement_timeout = '15min';
END $$;

-- Of what a chunk works with; of the wide tables the columns that are joined.
DROP FUNCTION empty_work_share;
CREATE FUNCTION empty_chunk_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE pg_temp.work_held, pg_temp.work_standing, pg_temp.work_heir;
END $$;
CREATE FUNCTION analyze_chunk_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ANALYZE pg_temp.work_held;
    ANALYZE pg_temp.work_standing;
    ANALYZE pg_temp.work_outcome (situation_id, kind_id, advisory_id);
END $$;

-- Tables that were filled at once are unknown to the planner until autovacuum comes by, and it then joins millions of
-- rows one by one. The names of those that were analysed.
CREATE FUNCTION analyze_grown(VARIADIC names text[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    name text;
    known double precision;
    changed bigint;
    done text[] := '{}';
BEGIN
    FOREACH name IN ARRAY names LOOP
        SELECT pg_class.reltuples, pg_stat_get_mod_since_analyze(pg_class.oid)
        INTO known, changed
        FROM pg_class WHERE pg_class.oid = name::regclass;
        IF (known < 0 AND pg_relation_size(name::regclass) > 0) OR changed > 1000 + greatest(known, 0) * 0.2 THEN
            EXECUTE format('ANALYZE %I', name);
            done := done || name;
        END IF;
    END LOOP;
    RETURN done;
END $$;

CREATE OR REPLACE FUNCTION open_decision_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.work_decision;
    CREATE TEMPORARY TABLE work_decision (LIKE work_decision) ON COMMIT DROP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_custom_plan;
    SET LOCAL statement_timeout = '15min';
END $$;
