-- A matching compares what groups of alike hosts show with what shared findings say, and opens only those that differ
-- (docs/adr/0035). Templates, as in 0441.
DROP TABLE work_scope, work_kind, work_pair, work_affected, work_situation, work_held, work_found, work_place,
work_outcome;
CREATE TABLE work_scope (               -- of a run over some hosts
    host_id text NOT NULL,
    host_no integer NOT NULL,
    chunk integer NOT NULL
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
    version_no integer NOT NULL         -- of (ecosystem, source_package, source_version, os_codename)
);
CREATE TABLE work_affected (            -- each version_no once
    ecosystem text NOT NULL,
    source_package text NOT NULL,
    source_version text NOT NULL,
    os_codename text NOT NULL,
    version_no integer NOT NULL
);
CREATE TABLE work_found (               -- what a holding comes to: one row an advisory
    holding_id integer NOT NULL,
    advisory_id text NOT NULL,
    ecosystem text NOT NULL,
    source_package text NOT NULL,
    installed_version text NOT NULL,
    fixed_version text,                 -- NULL: no fix yet
    packages text[] NOT NULL,
    conditions text[] NOT NULL
);
CREATE TABLE work_place (holding_id integer NOT NULL, kind_id integer NOT NULL);
CREATE TABLE work_outcome (             -- and on a kind of asset
    LIKE work_found,
    kind_id integer NOT NULL,
    priority text NOT NULL,
    score numeric(4, 1),
    deadline timestamptz NOT NULL,
    decision_id bigint
);
CREATE TABLE work_settled (             -- shared findings that say what their group shows, of the same hosts
    first_id bigint NOT NULL,
    holding_id integer NOT NULL,
    kind_id integer NOT NULL,
    host_block integer NOT NULL,
    advisory_id text NOT NULL
);
CREATE TABLE work_group (               -- all others: to be opened, or new as a whole
    holding_id integer NOT NULL,
    kind_id integer NOT NULL,
    host_block integer NOT NULL,
    advisory_id text NOT NULL,
    host_nos integer[] NOT NULL
);
CREATE TABLE work_shown (               -- opened: what one host shows
    host_no integer NOT NULL,
    holding_id integer NOT NULL,
    kind_id integer NOT NULL,
    advisory_id text NOT NULL
);

CREATE OR REPLACE FUNCTION open_match_work() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'scope', 'advisory', 'pair', 'affected', 'found', 'place', 'outcome', 'settled', 'group', 'shown', 'standing',
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
    TRUNCATE pg_temp.work_settled, pg_temp.work_group, pg_temp.work_shown, pg_temp.work_standing, pg_temp.work_heir,
    pg_temp.work_touched;
END $$;
CREATE OR REPLACE FUNCTION analyze_chunk_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ANALYZE pg_temp.work_shown;
    ANALYZE pg_temp.work_standing;
END $$;
