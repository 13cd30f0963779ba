-- A run over few advisories works in the templates themselves (docs/adr/0051): making and dropping nine temporary
-- tables took longer than all that it puts into them. Its rows are gone before it commits, so that nobody else ever
-- sees one, and nothing is left of them after a crash. They are not analysed while they are empty: the planner would
-- take them for empty in the next run too.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'installed', 'scope', 'advisory', 'pair', 'affected', 'found', 'place', 'outcome', 'group'
    ] LOOP
        EXECUTE format('ALTER TABLE work_%s SET UNLOGGED', name);
        EXECUTE format('ALTER TABLE work_%s SET (autovacuum_analyze_threshold = 2147483647)', name);
    END LOOP;
END $$;

DROP FUNCTION open_pair_work(), open_match_work();
CREATE FUNCTION open_pair_work(in_place boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('pg_temp.work_installed') IS NOT NULL THEN  -- of a deciding before, in this transaction
        DROP TABLE pg_temp.work_installed;
    END IF;
    IF in_place THEN
        SET LOCAL random_page_cost = 1.1;   -- few rows are looked up by index, not by reading a table
    ELSE
        DISCARD PLANS;  -- of statements that were prepared when the name meant the template
        CREATE TEMPORARY TABLE work_installed (LIKE work_installed) ON COMMIT DROP;
        SET LOCAL random_page_cost TO DEFAULT;
    END IF;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_custom_plan;
    SET LOCAL statement_timeout = '15min';
END $$;
CREATE FUNCTION open_match_work(in_place boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'settled', 'shown', 'standing', 'heir', 'touched', 'scope', 'advisory', 'pair', 'affected', 'found', 'place',
        'outcome', 'group'
    ] LOOP
        IF to_regclass('pg_temp.work_' || name) IS NOT NULL THEN  -- of a scope before, in this transaction
            EXECUTE format('DROP TABLE pg_temp.work_%s', name);
        END IF;
    END LOOP;
    IF in_place THEN
        SET LOCAL random_page_cost = 1.1;
    ELSE
        DISCARD PLANS;
        SET LOCAL random_page_cost TO DEFAULT;
        FOREACH name IN ARRAY ARRAY['scope', 'advisory', 'pair', 'affected', 'found', 'place', 'outcome', 'group'] LOOP
            EXECUTE format('CREATE TEMPORARY TABLE work_%1$s (LIKE work_%1$s) ON COMMIT DROP', name);
        END LOOP;
    END IF;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;                -- compiling took longer than it saved
    SET LOCAL enable_mergejoin = off;   -- it sorted arrays of text for a second, where hashing them takes a tenth
    SET LOCAL plan_cache_mode = force_custom_plan; -- a chunk's bounds decide between index and table
    SET LOCAL statement_timeout = '15min';
END $$;
CREATE OR REPLACE FUNCTION open_standing_work() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    DISCARD PLANS;
    FOREACH name IN ARRAY ARRAY['settled', 'shown', 'standing', 'heir', 'touched'] LOOP
        EXECUTE format('CREATE TEMPORARY TABLE work_%1$s (LIKE work_%1$s) ON COMMIT DROP', name);
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION analyze_work(VARIADIC names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('ANALYZE %I', name);
    END LOOP;
END $$;
-- What was put into the templates.
CREATE FUNCTION close_pair_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM work_installed;
END $$;
CREATE FUNCTION close_match_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM work_scope;
    DELETE FROM work_advisory;
    DELETE FROM work_pair;
    DELETE FROM work_affected;
    DELETE FROM work_found;
    DELETE FROM work_place;
    DELETE FROM work_outcome;
    DELETE FROM work_group;
END $$;
