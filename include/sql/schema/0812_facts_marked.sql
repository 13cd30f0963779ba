-- A scoring looks at the decisions whose facts changed since the last one, not at all of them (docs/adr/0049). Marks,
-- as in 0441: only ever appended to and taken away. Marked is what cve/list_cve_facts and advisory/list_advisory_cves
-- read: a test holds every table that they name to it.

CREATE TABLE fact_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cve_id text,
    advisory_id text,
    CHECK (num_nonnulls(cve_id, advisory_id) <= 1)  -- neither: so much changed that all have to be looked at
);
INSERT INTO fact_change DEFAULT VALUES;

-- When all decisions were last looked at, and by which rules (policy, register of assets, code): one row.
CREATE TABLE full_scoring (
    only_one boolean PRIMARY KEY DEFAULT TRUE CHECK (only_one),
    rules_digest text NOT NULL,
    scored_at timestamptz NOT NULL
);

CREATE FUNCTION mark_cve_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM changed LIMIT 1001) AS first_ones) > 1000 THEN
        INSERT INTO fact_change DEFAULT VALUES;
    ELSE
        INSERT INTO fact_change (cve_id) SELECT DISTINCT changed.cve_id FROM changed;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION mark_advisory_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM changed LIMIT 1001) AS first_ones) > 1000 THEN
        INSERT INTO fact_change DEFAULT VALUES;
    ELSE
        INSERT INTO fact_change (advisory_id) SELECT DISTINCT changed.advisory_id FROM changed;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION mark_all_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fact_change DEFAULT VALUES;
    RETURN NULL;
END $$;

DO $$
DECLARE
    marked record;
BEGIN
    FOR marked IN
        SELECT tables.name, tables.marks, events.event, events.seen
        FROM (
            VALUES ('cve', 'mark_cve_facts'), ('cve_score', 'mark_cve_facts'), ('cve_ssvc', 'mark_cve_facts'),
                ('kev', 'mark_cve_facts'), ('epss', 'mark_cve_facts'), ('threat_state', 'mark_cve_facts'),
                ('cve_lookup', 'mark_cve_facts'), ('advisory_cve', 'mark_advisory_facts')
        ) AS tables (name, marks)
        CROSS JOIN (
            VALUES ('insert', 'NEW'), ('update', 'NEW'), ('delete', 'OLD')
        ) AS events (event, seen)
    LOOP
        EXECUTE format(
            'CREATE TRIGGER %1$s_%2$s_is_marked AFTER %2$s ON %1$I REFERENCING %3$s TABLE AS changed '
            'FOR EACH STATEMENT EXECUTE FUNCTION %4$I()',
            marked.name, marked.event, marked.seen, marked.marks
        );
    END LOOP;
END $$;

-- An advisory without a decision is found by its findings; the date of one that has some counts.
CREATE FUNCTION mark_dated_advisory() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fact_change (advisory_id) VALUES (new.advisory_id);
    RETURN NULL;
END $$;
CREATE TRIGGER advisory_date_is_marked AFTER UPDATE ON advisory FOR EACH ROW
WHEN (coalesce(old.published_at, old.first_seen_at) IS DISTINCT FROM coalesce(new.published_at, new.first_seen_at))
EXECUTE FUNCTION mark_dated_advisory();

-- How old the catalogue is stands beside every "not in KEV".
CREATE TRIGGER kev_copy_is_marked AFTER INSERT OR UPDATE ON feed_snapshot FOR EACH ROW
WHEN (new.source = 'kev' AND new.status = 'accepted') EXECUTE FUNCTION mark_all_facts();
CREATE TRIGGER kev_copy_gone_is_marked AFTER DELETE ON feed_snapshot FOR EACH ROW
WHEN (old.source = 'kev') EXECUTE FUNCTION mark_all_facts();

-- What counting the unscored reads: seldom many.
CREATE INDEX decision_unscored ON decision (advisory_id, decision_id) WHERE is_unscored;
CREATE INDEX host_retired ON host (host_id) WHERE retired_at IS NOT NULL;
