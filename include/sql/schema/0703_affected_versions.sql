-- What a matching and a scoring work in (templates, as in 0441). Hosts go by their numbers, and affected versions get
-- one for the run, so that what hosts have of them is brought together by numbers; what a host's own state adds stands
-- in its row of the scope.
DROP TABLE work_scope, work_pair, work_situation, work_held, work_standing, work_heir;
CREATE TABLE work_scope (
    host_id text NOT NULL,
    host_no integer NOT NULL,
    chunk integer NOT NULL,
    kind_id integer NOT NULL,
    runs_another_kernel boolean NOT NULL,
    stale_packages jsonb                -- names of packages whose old files are still in use; NULL: none
);
CREATE TABLE work_pair (
    advisory_id text NOT NULL,
    source_package text NOT NULL,
    source_version text NOT NULL,
    ecosystem text NOT NULL,
    os_codename text NOT NULL,          -- '': a host that does not say
    fixed_version text,                 -- NULL: no fix yet
    sort_key bytea,                     -- of source_version; NULL: an order without keys
    same_as jsonb,                      -- advisories whose findings this one's take the place of; NULL: none
    version_no integer NOT NULL,        -- of (ecosystem, source_package, source_version, os_codename)
    source_no integer NOT NULL          -- of (ecosystem, source_package, os_codename)
);
CREATE TABLE work_affected (            -- each version_no once
    ecosystem text NOT NULL,
    source_package text NOT NULL,
    source_version text NOT NULL,
    os_codename text NOT NULL,
    version_no integer NOT NULL,
    source_no integer NOT NULL
);
CREATE TABLE work_situation (
    situation_id integer NOT NULL,
    source_no integer NOT NULL,
    packages text[] NOT NULL,           -- installed and affected, in order
    version_nos integer[] NOT NULL,     -- of each
    standings integer[] NOT NULL,       -- of each, added up: 1 held, 2 half configured, 4 only runs, 8 stale
    runs_another_kernel boolean NOT NULL
);
CREATE TABLE work_held (host_no integer NOT NULL, kind_id integer NOT NULL, situation_id integer NOT NULL);
CREATE TABLE work_standing (
    finding_id bigint NOT NULL,
    shared_id bigint,                   -- first_id of the row that it is in; NULL: one of its own
    host_no integer NOT NULL,
    advisory_id text NOT NULL,
    is_live boolean NOT NULL            -- open or accepted
);
CREATE TABLE work_heir (
    host_no integer NOT NULL,
    advisory_id text NOT NULL,
    started_at timestamptz NOT NULL,
    deadline timestamptz NOT NULL
);
CREATE TABLE work_touched (finding_id bigint NOT NULL); -- about to get rows of their own
CREATE OR REPLACE FUNCTION open_match_work() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'scope', 'kind', 'advisory', 'pair', 'affected', 'situation', 'held', 'found', 'place', 'outcome', 'standing',
        'heir', 'touched'
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
CREATE OR REPLACE FUNCTION empty_chunk_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE pg_temp.work_held, pg_temp.work_standing, pg_temp.work_heir, pg_temp.work_touched;
END $$;

-- What a scoring is about to change.
CREATE TABLE work_judged (
    finding_id bigint NOT NULL,
    priority text NOT NULL,
    score numeric(4, 1),
    decision_id bigint NOT NULL,
    deadline timestamptz NOT NULL,
    priority_since timestamptz,
    is_changed boolean NOT NULL         -- else only its decision is another of the same
);
CREATE FUNCTION open_score_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.work_judged;
    CREATE TEMPORARY TABLE work_judged (LIKE work_judged) ON COMMIT DROP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_custom_plan;
    SET LOCAL statement_timeout = '15min';
END $$;
