-- A VEX statement may be on a product that is not matched (an appliance, a container image): it names no package, and
-- there is none whose pairs must be decided again. Before, the mark was NULL, and one such statement kept out the copy.
CREATE OR REPLACE FUNCTION mark_range_packages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_change (package)
    SELECT DISTINCT changed.ecosystem || '/' || changed.package
    FROM changed
    WHERE changed.ecosystem IS NOT NULL AND changed.package IS NOT NULL;
    RETURN NULL;
END $$;
