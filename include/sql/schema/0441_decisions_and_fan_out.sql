-- Risk for a large fleet: a decision is stored once for all findings that share it, and a change of hosts or advisories
-- leaves a mark, so that the next matching looks at nothing else (docs/adr/0016).

-- One decision: an advisory on one kind of asset. At most one is current; another outcome gives a new row, new reasons
-- for the same outcome are written into the row. A superseded row stays while a finding refers to it.
CREATE TABLE decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    advisory_id text NOT NULL REFERENCES advisory (advisory_id) ON DELETE CASCADE,
    asset_group text NOT NULL,
    criticality text NOT NULL,
    exposure text NOT NULL,
    priority text NOT NULL CHECK (priority IN ('immediate', 'out_of_cycle', 'scheduled', 'defer')),
    priority_rank integer NOT NULL,     -- 0: immediate … 3: defer
    score numeric(4, 1),                -- environmental CVSS of the worst CVE; NULL: unscored
    within_hours double precision NOT NULL, -- from the moment the finding's clock starts
    due_dates timestamptz[] NOT NULL DEFAULT '{}', -- of catalogues and clocks from release: the first after the start
    reasons jsonb NOT NULL,             -- state, sentence, inputs, CVEs: risk/decision.py
    grounds_digest text NOT NULL DEFAULT '', -- of all that went in: the same digest need not be decided again
    decided_at timestamptz NOT NULL,    -- when it last said something new
    superseded_at timestamptz           -- NULL: current
);
CREATE UNIQUE INDEX decision_current ON decision (advisory_id, asset_group, criticality, exposure)
WHERE superseded_at IS NULL;

-- No foreign key to decision, and none to host and advisory any more: checked row by row, they took two thirds of the
-- time of writing two million findings. Findings are written from a join with both tables; what the keys did for the
-- other side, the triggers below do.
ALTER TABLE finding
ADD COLUMN decision_id bigint,          -- NULL: not decided yet
DROP CONSTRAINT finding_host_id_fkey,
DROP CONSTRAINT finding_advisory_id_fkey;

INSERT INTO decision (
    advisory_id, asset_group, criticality, exposure, priority, priority_rank, score, within_hours, reasons, decided_at,
    superseded_at
)
SELECT
    finding.advisory_id,
    host.asset_group,
    host.criticality,
    host.exposure,
    finding.priority,
    array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], finding.priority) - 1 AS priority_rank,
    finding.score,
    0 AS within_hours,
    finding.reasons,
    max(finding.scored_at) AS decided_at,
    now() AS superseded_at
FROM finding
INNER JOIN host ON finding.host_id = host.host_id
WHERE finding.priority_since IS NOT NULL
GROUP BY
    finding.advisory_id, host.asset_group, host.criticality, host.exposure, finding.priority, finding.score,
    finding.reasons;

UPDATE finding
SET decision_id = decision.decision_id
FROM host, decision
WHERE
    finding.priority_since IS NOT NULL
    AND finding.host_id = host.host_id
    AND finding.advisory_id = decision.advisory_id
    AND host.asset_group = decision.asset_group
    AND host.criticality = decision.criticality
    AND host.exposure = decision.exposure
    AND finding.priority = decision.priority
    AND finding.score IS NOT DISTINCT FROM decision.score
    AND finding.reasons = decision.reasons;

ALTER TABLE finding DROP COLUMN reasons;

-- `finding.reasons` still reads as if it were a column. Where many findings are read, join decision instead.
CREATE FUNCTION reasons(finding) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT decision.reasons FROM decision WHERE decision.decision_id = $1.decision_id),
        '{"state": "unscored", "sentence": "Matched, not scored yet.", "inputs": [], "cves": []}'::jsonb
    )
$$;

CREATE INDEX finding_by_advisory ON finding (advisory_id);
CREATE INDEX finding_closed_by_decision ON finding (decision_id) WHERE status IN ('fixed', 'withdrawn');

CREATE FUNCTION drop_findings_of_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM finding WHERE finding.host_id = old.host_id;
    RETURN OLD;
END $$;
CREATE TRIGGER host_takes_its_findings BEFORE DELETE ON host FOR EACH ROW EXECUTE FUNCTION drop_findings_of_host();

CREATE FUNCTION refuse_deleting_found_advisory() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM finding WHERE finding.advisory_id = old.advisory_id) THEN
        RAISE EXCEPTION 'advisory % has findings: withdraw it, do not delete it', old.advisory_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER advisory_with_findings_stays BEFORE DELETE ON advisory
FOR EACH ROW EXECUTE FUNCTION refuse_deleting_found_advisory();

-- Marks: what changed since it was last matched. Only ever appended to and taken away, so that a writer never waits for
-- a matching that is under way, and what comes in meanwhile is seen by the next.
CREATE TABLE host_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id text NOT NULL
);
CREATE TABLE advisory_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    advisory_id text NOT NULL
);
INSERT INTO host_change (host_id) SELECT host_id FROM host;

CREATE FUNCTION mark_hosts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO host_change (host_id) SELECT DISTINCT changed.host_id FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER host_package_added AFTER INSERT ON host_package
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_hosts();
CREATE TRIGGER host_package_changed AFTER UPDATE ON host_package
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_hosts();
CREATE TRIGGER host_package_removed AFTER DELETE ON host_package
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_hosts();

CREATE FUNCTION mark_host() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO host_change (host_id) VALUES (new.host_id);
    RETURN NULL;
END $$;
CREATE TRIGGER host_is_another AFTER UPDATE ON host FOR EACH ROW
WHEN (
    (
        old.os_id, old.os_codename, old.retired_at IS NULL, old.asset_group, old.criticality, old.exposure,
        old.kernel_running, old.kernel_running_version, old.kernel_installed, old.facts -> 'stale_packages'
    ) IS DISTINCT FROM (
        new.os_id, new.os_codename, new.retired_at IS NULL, new.asset_group, new.criticality, new.exposure,
        new.kernel_running, new.kernel_running_version, new.kernel_installed, new.facts -> 'stale_packages'
    )
)
EXECUTE FUNCTION mark_host();

CREATE TRIGGER host_component_added AFTER INSERT ON host_component
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_hosts();
CREATE TRIGGER host_component_changed AFTER UPDATE ON host_component
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_hosts();
CREATE TRIGGER host_component_removed AFTER DELETE ON host_component
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_hosts();

-- Packages whose pairs must be decided again, as ecosystem/package; '*': all of them.
CREATE TABLE package_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    package text NOT NULL
);
INSERT INTO package_change (package) VALUES ('*');

CREATE FUNCTION mark_advisory_package() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_change (package) VALUES (new.ecosystem || '/' || new.source_package);
    RETURN NULL;
END $$;
CREATE TRIGGER advisory_is_new AFTER INSERT ON advisory FOR EACH ROW EXECUTE FUNCTION mark_advisory_package();
CREATE TRIGGER advisory_is_another AFTER UPDATE ON advisory FOR EACH ROW
WHEN (
    (old.ecosystem, old.source_package, old.fixed_version, old.codename, old.withdrawn_at IS NULL)
    IS DISTINCT FROM (new.ecosystem, new.source_package, new.fixed_version, new.codename, new.withdrawn_at IS NULL)
)
EXECUTE FUNCTION mark_advisory_package();

CREATE FUNCTION mark_withdrawn_advisory() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO advisory_change (advisory_id) VALUES (new.advisory_id);
    INSERT INTO package_change (package)
    SELECT DISTINCT ecosystem || '/' || package FROM advisory_range WHERE advisory_range.advisory_id = new.advisory_id;
    RETURN NULL;
END $$;
CREATE TRIGGER advisory_is_withdrawn AFTER UPDATE ON advisory FOR EACH ROW
WHEN ((old.withdrawn_at IS NULL) IS DISTINCT FROM (new.withdrawn_at IS NULL))
EXECUTE FUNCTION mark_withdrawn_advisory();

CREATE FUNCTION mark_range_packages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_change (package) SELECT DISTINCT changed.ecosystem || '/' || changed.package FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER range_added AFTER INSERT ON advisory_range
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_range_packages();
CREATE TRIGGER range_changed AFTER UPDATE ON advisory_range
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_range_packages();
CREATE TRIGGER range_removed AFTER DELETE ON advisory_range
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_range_packages();
CREATE TRIGGER statement_added AFTER INSERT ON vex_statement
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_range_packages();
CREATE TRIGGER statement_changed AFTER UPDATE ON vex_statement
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_range_packages();
CREATE TRIGGER statement_removed AFTER DELETE ON vex_statement
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_range_packages();

-- Names, CVEs, phases and rejected records of advisories: seldom changed one by one, so their packages are marked
-- whole.
CREATE FUNCTION mark_packages_of_advisories() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_change (package)
    SELECT advisory.ecosystem || '/' || advisory.source_package
    FROM advisory WHERE advisory.advisory_id IN (SELECT changed.advisory_id FROM changed)
    UNION
    SELECT advisory_range.ecosystem || '/' || advisory_range.package
    FROM advisory_range WHERE advisory_range.advisory_id IN (SELECT changed.advisory_id FROM changed);
    RETURN NULL;
END $$;
CREATE TRIGGER alias_added AFTER INSERT ON advisory_alias
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_packages_of_advisories();
CREATE TRIGGER alias_removed AFTER DELETE ON advisory_alias
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_packages_of_advisories();
CREATE TRIGGER advisory_cve_added AFTER INSERT ON advisory_cve
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_packages_of_advisories();
CREATE TRIGGER advisory_cve_changed AFTER UPDATE ON advisory_cve
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_packages_of_advisories();
CREATE TRIGGER advisory_cve_removed AFTER DELETE ON advisory_cve
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_packages_of_advisories();
CREATE TRIGGER advisory_package_changed AFTER UPDATE ON advisory_package
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_packages_of_advisories();

CREATE FUNCTION mark_advisories() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO advisory_change (advisory_id) SELECT DISTINCT changed.advisory_id FROM changed;
    RETURN NULL;
END $$;
CREATE TRIGGER pair_added AFTER INSERT ON advisory_pair
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_advisories();
CREATE TRIGGER pair_changed AFTER UPDATE ON advisory_pair
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_advisories();
CREATE TRIGGER pair_removed AFTER DELETE ON advisory_pair
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_advisories();
CREATE TRIGGER phase_added AFTER INSERT ON advisory_package
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_advisories();
CREATE TRIGGER phase_changed AFTER UPDATE ON advisory_package
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_advisories();
CREATE TRIGGER phase_removed AFTER DELETE ON advisory_package
REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_advisories();

CREATE FUNCTION mark_packages_of_cve() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_change (package)
    SELECT advisory.ecosystem || '/' || advisory.source_package
    FROM advisory_cve INNER JOIN advisory ON advisory_cve.advisory_id = advisory.advisory_id
    WHERE advisory_cve.cve_id = new.cve_id
    UNION
    SELECT advisory_range.ecosystem || '/' || advisory_range.package
    FROM advisory_cve INNER JOIN advisory_range ON advisory_cve.advisory_id = advisory_range.advisory_id
    WHERE advisory_cve.cve_id = new.cve_id;
    RETURN NULL;
END $$;
CREATE INDEX advisory_cve_by_cve ON advisory_cve (cve_id);
CREATE TRIGGER cve_is_rejected AFTER INSERT ON cve FOR EACH ROW
WHEN (upper(new.state) = 'REJECTED') EXECUTE FUNCTION mark_packages_of_cve();
CREATE TRIGGER cve_state_changed AFTER UPDATE ON cve FOR EACH ROW
WHEN ((upper(old.state) = 'REJECTED') IS DISTINCT FROM (upper(new.state) = 'REJECTED'))
EXECUTE FUNCTION mark_packages_of_cve();

-- Without a common part that PostgreSQL would compute for the whole fleet: one host's components are looked up by key.
CREATE INDEX host_package_signed_kernel ON host_package (host_id) WHERE source_package LIKE 'linux-signed%';
CREATE OR REPLACE VIEW installed_component AS
SELECT
    host.host_id,
    'deb' AS ecosystem,
    host_package.package,
    host_package.source_package,
    host_package.source_version,
    coalesce(host.os_codename, '') AS os_codename,
    coalesce(host.os_id, '') AS os_id,
    host_package.dpkg_status,
    host_package.held,
    FALSE AS runs_only
FROM host_package
INNER JOIN host ON host_package.host_id = host.host_id
WHERE host.retired_at IS NULL AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
UNION ALL
SELECT
    host.host_id,
    'deb' AS ecosystem,
    host_package.package,
    regexp_replace(host_package.source_package, '^linux-signed(-(amd64|arm64|i386))?(?=-|$)', 'linux')
        AS source_package,
    host_package.version AS source_version,
    coalesce(host.os_codename, '') AS os_codename,
    coalesce(host.os_id, '') AS os_id,
    host_package.dpkg_status,
    host_package.held,
    FALSE AS runs_only
FROM host_package
INNER JOIN host ON host_package.host_id = host.host_id
WHERE
    host_package.source_package LIKE 'linux-signed%'
    AND host.retired_at IS NULL
    AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
UNION ALL
SELECT
    host.host_id,
    'deb' AS ecosystem,
    'running kernel ' || host.kernel_running AS package,
    kernel.source_package,
    host.kernel_running_version AS source_version,
    coalesce(host.os_codename, '') AS os_codename,
    coalesce(host.os_id, '') AS os_id,
    'ii' AS dpkg_status,
    FALSE AS held,
    TRUE AS runs_only
FROM host
CROSS JOIN LATERAL (
    SELECT DISTINCT regexp_replace(host_package.source_package, '^linux-signed(-(amd64|arm64|i386))?(?=-|$)', 'linux')
        AS source_package
    FROM host_package
    WHERE
        host_package.host_id = host.host_id
        AND host_package.package LIKE 'linux-image-%'
        AND host_package.source_package ~ '^linux(-|$)'
        AND host_package.source_package !~ '^linux-(meta|base)'
) AS kernel
WHERE host.retired_at IS NULL AND host.kernel_running_version IS NOT NULL AND host.kernel_installed IS NOT NULL
UNION ALL
SELECT
    host.host_id,
    host_component.ecosystem,
    host_component.name AS package,
    coalesce(host_component.source_name, host_component.name) AS source_package,
    coalesce(host_component.source_version, host_component.version) AS source_version,
    CASE WHEN host_component.ecosystem = 'rpm' THEN coalesce(host.os_codename, '') ELSE '' END AS os_codename,
    CASE WHEN host_component.ecosystem = 'rpm' THEN coalesce(host.os_id, '') ELSE '' END AS os_id,
    'ii' AS dpkg_status,
    FALSE AS held,
    FALSE AS runs_only
FROM host_component
INNER JOIN host ON host_component.host_id = host.host_id
WHERE host.retired_at IS NULL;

-- What each matching looked at, and how long it took. scope: all, changes, hosts.
CREATE TABLE match_run (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('all', 'changes', 'hosts')),
    engine text NOT NULL CHECK (engine IN ('sql', 'duckdb')),
    hosts integer NOT NULL,
    advisories integer,                 -- NULL: all
    seconds double precision NOT NULL,
    matched_at timestamptz NOT NULL
);

-- Templates of the tables that a matching works in. They stay empty: open_match_work() makes temporary ones of the same
-- names for the transaction, which hide these, so that statements are checked against the schema like all others.
CREATE TABLE work_scope (host_id text NOT NULL, chunk integer NOT NULL);
CREATE TABLE work_advisory (advisory_id text NOT NULL);
CREATE TABLE work_pair (
    advisory_id text NOT NULL,
    source_package text NOT NULL,
    source_version text NOT NULL,
    ecosystem text NOT NULL,
    os_codename text NOT NULL,          -- '': a host that does not say
    fixed_version text,                 -- NULL: no fix yet
    sort_key bytea,                     -- of source_version; NULL: an order without keys
    same_as jsonb                       -- advisories whose findings this one's take the place of; NULL: none
);
CREATE TABLE work_share (
    host_id text NOT NULL,
    advisory_id text NOT NULL,
    source_package text NOT NULL,
    ecosystem text NOT NULL,
    installed_version text NOT NULL,
    fixed_version text,
    packages text[] NOT NULL,
    conditions text[] NOT NULL
);
CREATE TABLE work_decision (
    advisory_id text NOT NULL,
    asset_group text NOT NULL,
    criticality text NOT NULL,
    exposure text NOT NULL,
    priority text NOT NULL,
    priority_rank integer NOT NULL,
    score numeric(4, 1),
    within_hours double precision NOT NULL,
    due_dates timestamptz[] NOT NULL,
    reasons jsonb NOT NULL,
    grounds_digest text NOT NULL
);

CREATE FUNCTION open_match_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.work_scope, pg_temp.work_advisory, pg_temp.work_pair, pg_temp.work_share;
    CREATE TEMPORARY TABLE work_scope (LIKE work_scope) ON COMMIT DROP;
    CREATE TEMPORARY TABLE work_advisory (LIKE work_advisory) ON COMMIT DROP;
    CREATE TEMPORARY TABLE work_pair (LIKE work_pair) ON COMMIT DROP;
    CREATE TEMPORARY TABLE work_share (LIKE work_share) ON COMMIT DROP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL statement_timeout = '15min';
END $$;

CREATE FUNCTION open_decision_work() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.work_decision;
    CREATE TEMPORARY TABLE work_decision (LIKE work_decision) ON COMMIT DROP;
    SET LOCAL work_mem = '64MB';
    SET LOCAL statement_timeout = '15min';
END $$;

CREATE FUNCTION analyze_work(VARIADIC names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('ANALYZE pg_temp.%I', name);
    END LOOP;
END $$;

CREATE FUNCTION empty_work_share() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    TRUNCATE pg_temp.work_share;
END $$;
