-- DuckDB beside PostgreSQL was measured and is not built (docs/adr/0021): only one engine ever wrote findings.
ALTER TABLE match_run
DROP CONSTRAINT match_run_engine_check,
ADD CONSTRAINT match_run_engine_check CHECK (engine = 'sql');
