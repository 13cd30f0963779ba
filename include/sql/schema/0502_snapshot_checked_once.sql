-- Each row of these tables names the copy in which it last changed. As a foreign key that was one look-up and one lock
-- a row, a third of the time of writing it. It is the same for all rows of a statement, so it is checked once a
-- statement: a snapshot that is named must be there, and one that is named cannot be deleted.

ALTER TABLE cve DROP CONSTRAINT cve_snapshot_id_fkey;
ALTER TABLE cve_score DROP CONSTRAINT cve_score_snapshot_id_fkey;
ALTER TABLE cve_ssvc DROP CONSTRAINT cve_ssvc_snapshot_id_fkey;
ALTER TABLE epss DROP CONSTRAINT epss_snapshot_id_fkey;
ALTER TABLE kev DROP CONSTRAINT kev_snapshot_id_fkey;

CREATE FUNCTION require_snapshots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    absent bigint;
BEGIN
    PERFORM 1
    FROM feed_snapshot
    WHERE snapshot_id IN (SELECT snapshot_id FROM written)
    FOR KEY SHARE;  -- as a foreign key does: whoever deletes one of them waits
    SELECT written.snapshot_id INTO absent
    FROM written
    LEFT JOIN feed_snapshot ON written.snapshot_id = feed_snapshot.snapshot_id
    WHERE written.snapshot_id IS NOT NULL AND feed_snapshot.snapshot_id IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            '%s names the snapshot %s, which is not in feed_snapshot', TG_TABLE_NAME, absent
        );
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION refuse_named_snapshots() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM cve INNER JOIN gone ON cve.snapshot_id = gone.snapshot_id)
        OR EXISTS (SELECT 1 FROM cve_score INNER JOIN gone ON cve_score.snapshot_id = gone.snapshot_id)
        OR EXISTS (SELECT 1 FROM cve_ssvc INNER JOIN gone ON cve_ssvc.snapshot_id = gone.snapshot_id)
        OR EXISTS (SELECT 1 FROM epss INNER JOIN gone ON epss.snapshot_id = gone.snapshot_id)
        OR EXISTS (SELECT 1 FROM kev INNER JOIN gone ON kev.snapshot_id = gone.snapshot_id)
    THEN
        RAISE foreign_key_violation USING MESSAGE = 'a row still names the snapshot that is to be deleted';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER cve_snapshots_inserted AFTER INSERT ON cve
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER cve_snapshots_updated AFTER UPDATE ON cve
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER cve_score_snapshots_inserted AFTER INSERT ON cve_score
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER cve_score_snapshots_updated AFTER UPDATE ON cve_score
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER cve_ssvc_snapshots_inserted AFTER INSERT ON cve_ssvc
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER cve_ssvc_snapshots_updated AFTER UPDATE ON cve_ssvc
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER epss_snapshots_inserted AFTER INSERT ON epss
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER epss_snapshots_updated AFTER UPDATE ON epss
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER kev_snapshots_inserted AFTER INSERT ON kev
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();
CREATE TRIGGER kev_snapshots_updated AFTER UPDATE ON kev
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION require_snapshots();

CREATE TRIGGER feed_snapshot_deleted AFTER DELETE ON feed_snapshot
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION refuse_named_snapshots();
