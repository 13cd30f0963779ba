-- The check of 0502 in one pass over the written rows in place of two: the same refusals, and 0.3 in place of 1.1
-- microseconds a row of cve_score.

CREATE OR REPLACE FUNCTION require_snapshots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named bigint[];
    there bigint[];
    absent bigint;
BEGIN
    named := ARRAY(SELECT DISTINCT snapshot_id FROM written WHERE snapshot_id IS NOT NULL);
    there := ARRAY(
        SELECT snapshot_id
        FROM feed_snapshot
        WHERE snapshot_id = any(named)
        FOR KEY SHARE  -- as a foreign key does: whoever deletes one of them waits
    );
    SELECT min(snapshot_id) INTO absent
    FROM unnest(named) AS wanted (snapshot_id)
    WHERE snapshot_id <> all(there);
    IF absent IS NOT NULL THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            '%s names the snapshot %s, which is not in feed_snapshot', TG_TABLE_NAME, absent
        );
    END IF;
    RETURN NULL;
END
$$;
