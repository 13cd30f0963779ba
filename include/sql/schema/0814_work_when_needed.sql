-- Of advisories that are new no host has a finding, so nothing is compared with what stands: the tables for that are
-- made when something is. Until then their (always empty) templates are read.
CREATE OR REPLACE FUNCTION open_match_work() RETURNS void LANGUAGE plpgsql AS $$
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
    FOREACH name IN ARRAY ARRAY['scope', 'advisory', 'pair', 'affected', 'found', 'place', 'outcome', 'group'] LOOP
        EXECUTE format('CREATE TEMPORARY TABLE work_%1$s (LIKE work_%1$s) ON COMMIT DROP', name);
    END LOOP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;                -- compiling took longer than it saved
    SET LOCAL enable_mergejoin = off;   -- it sorted arrays of text for a second, where hashing them takes a tenth
    SET LOCAL plan_cache_mode = force_custom_plan; -- a chunk's bounds decide between index and table
    SET LOCAL statement_timeout = '15min';
END $$;
CREATE FUNCTION open_standing_work() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['settled', 'shown', 'standing', 'heir', 'touched'] LOOP
        EXECUTE format('CREATE TEMPORARY TABLE work_%1$s (LIKE work_%1$s) ON COMMIT DROP', name);
    END LOOP;
END $$;
CREATE FUNCTION empty_standing_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE pg_temp.work_settled, pg_temp.work_shown, pg_temp.work_standing, pg_temp.work_heir, pg_temp.work_touched;
END $$;
CREATE OR REPLACE FUNCTION empty_chunk_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE pg_temp.work_group;
END $$;

CREATE FUNCTION refuse_rows_in_template() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is a template: open the work tables first', TG_TABLE_NAME;
END $$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['settled', 'shown', 'standing', 'heir', 'touched'] LOOP
        EXECUTE format(
            'CREATE TRIGGER work_%1$s_stays_empty BEFORE INSERT ON work_%1$s '
            'FOR EACH STATEMENT EXECUTE FUNCTION refuse_rows_in_template()', name
        );
    END LOOP;
END $$;
