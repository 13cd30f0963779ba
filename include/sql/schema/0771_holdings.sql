-- What hosts have is kept with the inventory and brought up to date for hosts that changed (docs/adr/0035): a holding
-- is what a host can have of one source package, once for all that have it alike. Written under a lock, in bulk, by
-- store/holdings.py; a matching reads holdings, not the packages of the fleet.

-- The kinds of asset that hosts are of, or were: a decision is for an advisory on one of them.
CREATE TABLE asset_kind (
    kind_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset_group text NOT NULL,
    criticality text NOT NULL,
    exposure text NOT NULL,
    UNIQUE (asset_group, criticality, exposure)
);

CREATE TABLE holding (
    holding_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ecosystem text NOT NULL,
    source_package text NOT NULL,
    os_codename text NOT NULL,          -- as in installed_component
    os_id text NOT NULL,
    packages text[] NOT NULL,           -- installed, in order
    versions text[] NOT NULL,           -- source version of each
    standings integer[] NOT NULL,       -- of each, added up: 1 held, 2 half configured, 4 only runs, 8 stale
    runs_another_kernel boolean NOT NULL -- than the installed one; of the kernel's own sources only
);
-- Arrays by their hashes: a kernel's are longer than an index entry may be.
CREATE UNIQUE INDEX holding_once ON holding (
    source_package, ecosystem, os_codename, os_id, runs_another_kernel,
    hash_array_extended(packages, 0), hash_array_extended(versions, 0), hash_array_extended(standings, 0)
);

-- Every host that is managed, also one that has nothing.
CREATE TABLE host_holding (
    host_no integer PRIMARY KEY,        -- as in finding_host
    kind_id integer NOT NULL,
    holding_ids integer[] NOT NULL      -- in order
);

-- The same the other way round: the hosts of a block and of a kind that have a holding. Never without hosts.
CREATE TABLE holding_group (
    holding_id integer NOT NULL,
    host_block integer NOT NULL,        -- as in finding_host
    kind_id integer NOT NULL,
    host_nos integer[] NOT NULL CHECK (cardinality(host_nos) > 0), -- in order
    PRIMARY KEY (holding_id, host_block, kind_id)
);

-- Marks: hosts whose holdings have to be found out anew. Apart from host_change, which a matching takes.
CREATE TABLE holding_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id text NOT NULL
);
INSERT INTO holding_change (host_id) SELECT host_id FROM host;

CREATE OR REPLACE FUNCTION mark_hosts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH marked AS (
        INSERT INTO host_change (host_id) SELECT DISTINCT changed.host_id FROM changed
        RETURNING host_change.host_id
    )
    INSERT INTO holding_change (host_id) SELECT marked.host_id FROM marked;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION mark_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO host_change (host_id) VALUES (new.host_id);
    INSERT INTO holding_change (host_id) VALUES (new.host_id);
    RETURN NULL;
END $$;
-- Also a host without packages has a row.
CREATE FUNCTION mark_removed_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO holding_change (host_id) VALUES (old.host_id);
    RETURN NULL;
END $$;
CREATE TRIGGER host_is_removed AFTER DELETE ON host FOR EACH ROW EXECUTE FUNCTION mark_removed_host();

-- What keeping them works in (templates, as in 0441).
CREATE TABLE work_marked (
    host_no integer NOT NULL,
    host_id text NOT NULL,
    kind_id integer,                    -- NULL: not managed any more
    runs_another_kernel boolean NOT NULL,
    stale_packages jsonb,               -- names of packages whose old files are still in use; NULL: none
    chunk integer NOT NULL
);
CREATE TABLE work_holding (LIKE host_holding);
CREATE TABLE work_regrouped (
    holding_id integer NOT NULL,
    host_block integer NOT NULL,
    kind_id integer NOT NULL,
    host_nos integer[] NOT NULL
);
CREATE FUNCTION open_holding_work() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['marked', 'holding', 'regrouped'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS pg_temp.work_%s', name);
        EXECUTE format('CREATE TEMPORARY TABLE work_%1$s (LIKE work_%1$s) ON COMMIT DROP', name);
    END LOOP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL plan_cache_mode = force_custom_plan;
    SET LOCAL statement_timeout = '15min';
END $$;
CREATE FUNCTION empty_holding_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE pg_temp.work_holding, pg_temp.work_regrouped;
END $$;
