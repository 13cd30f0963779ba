-- What is installed is found out once a deciding, as a table of a few thousand rows: of the whole fleet, of some
-- packages, or of some hosts (docs/adr/0029). A template, as in 0441.
CREATE TABLE work_installed (
    ecosystem text NOT NULL,
    source_package text NOT NULL,
    source_version text NOT NULL,
    os_codename text NOT NULL,
    os_id text NOT NULL
);

CREATE FUNCTION open_pair_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.work_installed;
    CREATE TEMPORARY TABLE work_installed (LIKE work_installed) ON COMMIT DROP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_custom_plan;
    SET LOCAL statement_timeout = '15min';
END $$;
