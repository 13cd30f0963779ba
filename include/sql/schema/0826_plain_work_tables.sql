-- Each NOT NULL is a row of the catalogue since PostgreSQL 18, and was copied into every work table: a third of what
-- opening and dropping them cost. What fills them selects from columns that have it.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT pg_class.relname AS template, pg_attribute.attname AS name
        FROM pg_class
        INNER JOIN pg_attribute ON pg_class.oid = pg_attribute.attrelid
        WHERE
            pg_class.relnamespace = current_schema()::regnamespace AND pg_class.relkind = 'r'
            AND pg_class.relname LIKE 'work\_%' AND pg_attribute.attnum > 0 AND pg_attribute.attnotnull
    LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN %I DROP NOT NULL', found.template, found.name);
    END LOOP;
END $$;
