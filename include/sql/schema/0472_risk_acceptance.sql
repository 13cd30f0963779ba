-- Risk acceptance: who agreed to leave what unpatched, until when, on what grounds; and when that no longer holds.

CREATE TABLE risk_acceptance (
    acceptance_id text PRIMARY KEY,     -- ACC-2026-0001
    state text NOT NULL CHECK (state IN ('requested', 'active', 'rejected', 'expired', 'voided', 'superseded')),
    state_reason text NOT NULL,
    revision integer NOT NULL DEFAULT 1,
    run_id text NOT NULL UNIQUE,        -- the run of the form: trying its task again does not ask twice
    requested_by text NOT NULL,
    cve_ids text[] NOT NULL,            -- what was asked for; a finding is covered when (CVE or advisory or package) …
    advisory_ids text[] NOT NULL,
    source_packages text[] NOT NULL,
    host_ids text[] NOT NULL,           -- … and (host or group) name it
    asset_groups text[] NOT NULL,
    scope_hash text NOT NULL,           -- SHA-256 over the covered (host, advisory) pairs: acceptance_scope_hash()
    justification text NOT NULL,
    compensating_control text NOT NULL,
    residual_risk text NOT NULL CHECK (residual_risk IN ('low', 'medium', 'high', 'critical')),
    priority text NOT NULL CHECK (priority IN ('immediate', 'out_of_cycle', 'scheduled', 'defer')), -- the worst covered
    quorum_rule text NOT NULL,          -- name of the rule in acceptance.yaml
    seats text[] NOT NULL,              -- the roles that must sign, a different person each
    extends text REFERENCES risk_acceptance (acceptance_id),
    review_on date NOT NULL,
    expires_at timestamptz NOT NULL,
    terms_hash text NOT NULL,           -- SHA-256 (RFC 8785) over all of the above: what is signed
    requested_at timestamptz NOT NULL,
    answer_by timestamptz NOT NULL,     -- no signature of the next seat by then is no
    signed_at timestamptz,              -- NULL: never signed
    ended_at timestamptz,
    ended_grounds jsonb NOT NULL DEFAULT '[]', -- why it ended: the faults found
    updated_at timestamptz NOT NULL,
    CHECK (expires_at > requested_at),
    CHECK (cardinality(cve_ids) + cardinality(advisory_ids) + cardinality(source_packages) > 0),
    CHECK (cardinality(host_ids) + cardinality(asset_groups) > 0),
    CHECK (cardinality(seats) > 0)
);
CREATE INDEX risk_acceptance_by_state ON risk_acceptance (state);

CREATE TABLE risk_acceptance_finding (
    acceptance_id text NOT NULL REFERENCES risk_acceptance (acceptance_id),
    host_id text NOT NULL,
    advisory_id text NOT NULL,
    source_package text NOT NULL,
    priority text NOT NULL,             -- as it was when the request was made
    PRIMARY KEY (acceptance_id, host_id, advisory_id)
);
CREATE INDEX risk_acceptance_finding_by_pair ON risk_acceptance_finding (host_id, advisory_id);

CREATE TABLE risk_acceptance_cve (
    acceptance_id text NOT NULL REFERENCES risk_acceptance (acceptance_id),
    cve_id text NOT NULL,
    kev_added date,                     -- what was known of it when the request was made
    known_ransomware boolean NOT NULL,
    exploitation text,
    epss double precision,
    PRIMARY KEY (acceptance_id, cve_id)
);

CREATE TABLE risk_acceptance_vote (
    vote_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    acceptance_id text NOT NULL REFERENCES risk_acceptance (acceptance_id),
    seat integer NOT NULL,              -- 1, 2, 3: place in risk_acceptance.seats
    role text NOT NULL,
    voter text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('accept', 'reject')),
    comment text,
    terms_hash text NOT NULL,           -- what this person was shown
    decided_at timestamptz NOT NULL,
    UNIQUE (acceptance_id, voter),
    UNIQUE (acceptance_id, seat)
);

CREATE TABLE risk_acceptance_number (
    year integer PRIMARY KEY,
    last_number integer NOT NULL
);

-- The terms cannot be edited after they were shown: only the state and what belongs to it moves.
CREATE FUNCTION refuse_terms_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moving text[] := ARRAY[
        'state', 'state_reason', 'revision', 'answer_by', 'signed_at', 'ended_at', 'ended_grounds', 'updated_at'
    ];
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - moving = to_jsonb(OLD) - moving THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the terms of % are as they were shown: % refused', OLD.acceptance_id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER risk_acceptance_terms_stand BEFORE UPDATE OR DELETE ON risk_acceptance
FOR EACH ROW EXECUTE FUNCTION refuse_terms_change();
CREATE TRIGGER risk_acceptance_is_never_truncated BEFORE TRUNCATE ON risk_acceptance
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER risk_acceptance_finding_is_append_only BEFORE UPDATE OR DELETE ON risk_acceptance_finding
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER risk_acceptance_cve_is_append_only BEFORE UPDATE OR DELETE ON risk_acceptance_cve
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER risk_acceptance_vote_is_append_only BEFORE UPDATE OR DELETE ON risk_acceptance_vote
FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The live findings that a scope names now. An empty dimension names nothing.
CREATE FUNCTION acceptance_scope(cves text[], advisories text[], sources text[], hosts text[], groups text[])
RETURNS TABLE (host_id text, advisory_id text, source_package text, priority text, status text)
LANGUAGE sql STABLE AS $$
    WITH named AS (
        SELECT advisory.advisory_id
        FROM advisory
        WHERE advisory.advisory_id = any(advisories) OR advisory.source_package = any(sources)
        UNION
        SELECT advisory_cve.advisory_id FROM advisory_cve WHERE advisory_cve.cve_id = any(cves)
    ),
    placed AS (
        SELECT host.host_id
        FROM host
        WHERE host.retired_at IS NULL AND (host.host_id = any(hosts) OR host.asset_group = any(groups))
    )
    SELECT finding.host_id, finding.advisory_id, finding.source_package, finding.priority, finding.status
    FROM finding
    INNER JOIN named ON finding.advisory_id = named.advisory_id
    INNER JOIN placed ON finding.host_id = placed.host_id
    WHERE finding.status IN ('open', 'accepted')
$$;

CREATE FUNCTION acceptance_scope_hash(wanted text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(
        sha256(convert_to(coalesce(string_agg(
            covered.host_id || E'\t' || covered.advisory_id || E'\n', ''
            ORDER BY covered.host_id COLLATE "C", covered.advisory_id COLLATE "C"
        ), ''), 'UTF8')), 'hex'
    )
    FROM risk_acceptance_finding AS covered
    WHERE covered.acceptance_id = wanted
$$;

-- Everything that speaks against an acceptance at a moment, from the facts of that moment; no row: it holds. The same
-- answer decides the signature, the watch, the reports and the command, so that none of them can trust a stored flag.
-- A request that is not signed yet is not at fault for being unsigned.
CREATE FUNCTION acceptance_fault(at timestamptz)
RETURNS TABLE (acceptance_id text, kind text, subject text, detail text) LANGUAGE sql STABLE AS $$
    WITH live AS (
        SELECT * FROM risk_acceptance WHERE risk_acceptance.state IN ('requested', 'active')
    ),
    covered AS (
        SELECT
            live.acceptance_id,
            live.state,
            pair.host_id,
            pair.advisory_id,
            pair.priority AS priority_then,
            finding.status,
            finding.priority
        FROM live
        INNER JOIN risk_acceptance_finding AS pair ON live.acceptance_id = pair.acceptance_id
        LEFT JOIN host ON pair.host_id = host.host_id AND host.retired_at IS NULL
        LEFT JOIN finding
            ON host.host_id = finding.host_id
            AND pair.advisory_id = finding.advisory_id
            AND finding.status IN ('open', 'accepted')
    ),
    known AS (
        SELECT DISTINCT covered.acceptance_id, advisory_cve.cve_id
        FROM covered
        INNER JOIN advisory_cve ON covered.advisory_id = advisory_cve.advisory_id
        WHERE covered.status IS NOT NULL
    ),
    threat AS (
        SELECT
            known.acceptance_id,
            known.cve_id,
            then_known.cve_id IS NULL AS is_new,
            then_known.kev_added AS kev_then,
            now_known.kev_added AS kev_now,
            coalesce(then_known.known_ransomware, FALSE) AS ransomware_then,
            coalesce(now_known.known_ransomware, FALSE) AS ransomware_now,
            then_known.exploitation AS exploitation_then,
            now_known.exploitation AS exploitation_now
        FROM known
        LEFT JOIN risk_acceptance_cve AS then_known
            ON known.acceptance_id = then_known.acceptance_id AND known.cve_id = then_known.cve_id
        CROSS JOIN LATERAL cve_threat(known.cve_id) AS now_known
    ),
    signed AS (
        SELECT
            live.acceptance_id,
            cardinality(live.seats) AS needed,
            count(vote.vote_id) FILTER (
                WHERE vote.decision = 'accept'
                AND vote.voter <> live.requested_by
                AND vote.terms_hash = live.terms_hash
                AND vote.role = live.seats[vote.seat]
            ) AS given,
            count(vote.vote_id) FILTER (WHERE vote.decision = 'reject') AS rejections
        FROM live
        LEFT JOIN risk_acceptance_vote AS vote ON live.acceptance_id = vote.acceptance_id
        WHERE live.state = 'active'
        GROUP BY live.acceptance_id, live.seats
    )
    SELECT live.acceptance_id, 'expired', live.acceptance_id,
        'It expired at ' || to_char(live.expires_at, 'YYYY-MM-DD HH24:MI') || ' UTC.'
    FROM live WHERE live.expires_at <= at
    UNION ALL
    SELECT live.acceptance_id, 'altered', live.acceptance_id,
        'The covered findings are not those that were signed: their hash differs.'
    FROM live WHERE live.scope_hash <> acceptance_scope_hash(live.acceptance_id)
    UNION ALL
    SELECT signed.acceptance_id, 'unsigned', signed.acceptance_id,
        signed.given || ' of ' || signed.needed || ' signatures stand, ' || signed.rejections || ' rejections.'
    FROM signed WHERE signed.given < signed.needed OR signed.rejections > 0
    UNION ALL
    SELECT threat.acceptance_id, 'kev_added', threat.cve_id,
        threat.cve_id || ' is in CISA''s catalogue of exploited vulnerabilities since ' || threat.kev_now || '.'
    FROM threat WHERE threat.kev_now IS NOT NULL AND threat.kev_then IS NULL AND NOT threat.is_new
    UNION ALL
    SELECT threat.acceptance_id, 'ransomware', threat.cve_id,
        threat.cve_id || ' is now known to be used in ransomware campaigns.'
    FROM threat WHERE threat.ransomware_now AND NOT threat.ransomware_then AND NOT threat.is_new
    UNION ALL
    SELECT threat.acceptance_id, 'exploited', threat.cve_id, threat.cve_id || ' is now actively exploited.'
    FROM threat
    WHERE threat.exploitation_now = 'active' AND threat.exploitation_then IS DISTINCT FROM 'active' AND NOT threat.is_new
    UNION ALL
    SELECT threat.acceptance_id, 'new_cve', threat.cve_id, threat.cve_id || ' was added to a covered advisory.'
    FROM threat WHERE threat.is_new
    UNION ALL
    SELECT covered.acceptance_id, 'priority_raised', covered.host_id || ' ' || covered.advisory_id,
        covered.advisory_id || ' on ' || covered.host_id || ' rose from ' || replace(covered.priority_then, '_', ' ')
        || ' to ' || replace(covered.priority, '_', ' ') || '.'
    FROM covered
    WHERE
        array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], covered.priority)
        < array_position(ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'], covered.priority_then)
    UNION ALL
    SELECT covered.acceptance_id, 'came_back', covered.host_id || ' ' || covered.advisory_id,
        covered.advisory_id || ' on ' || covered.host_id || ' was closed and came back after the signature.'
    FROM covered WHERE covered.state = 'active' AND covered.status = 'open'
    UNION ALL
    SELECT live.acceptance_id, 'scope_widened', found.host_id || ' ' || found.advisory_id,
        found.advisory_id || ' on ' || found.host_id || ' falls under the scope and was not there when it was asked for.'
    FROM live
    CROSS JOIN LATERAL acceptance_scope(
        live.cve_ids, live.advisory_ids, live.source_packages, live.host_ids, live.asset_groups
    ) AS found
    WHERE NOT EXISTS (
        SELECT 1 FROM risk_acceptance_finding AS pair
        WHERE
            pair.acceptance_id = live.acceptance_id
            AND pair.host_id = found.host_id
            AND pair.advisory_id = found.advisory_id
    )
    UNION ALL
    SELECT live.acceptance_id, 'orphaned', live.acceptance_id, 'Nothing that it covers is open any more.'
    FROM live
    WHERE NOT EXISTS (
        SELECT 1 FROM covered WHERE covered.acceptance_id = live.acceptance_id AND covered.status IS NOT NULL
    )
$$;

-- A finding's acceptance, as reports show it beside the finding: the signed one that reaches furthest.
CREATE VIEW accepted_finding AS
SELECT DISTINCT ON (pair.host_id, pair.advisory_id)
    pair.host_id,
    pair.advisory_id,
    risk_acceptance.acceptance_id,
    risk_acceptance.expires_at,
    risk_acceptance.residual_risk,
    risk_acceptance.compensating_control
FROM risk_acceptance
INNER JOIN risk_acceptance_finding AS pair ON risk_acceptance.acceptance_id = pair.acceptance_id
WHERE risk_acceptance.state = 'active'
ORDER BY pair.host_id ASC, pair.advisory_id ASC, risk_acceptance.expires_at DESC, risk_acceptance.acceptance_id ASC;

-- The accepted findings whose acceptance holds at a moment, by the facts of that moment: the only ones that a report
-- may count as accepted.
CREATE FUNCTION accepted_finding_at(at timestamptz)
RETURNS TABLE (
    host_id text,
    advisory_id text,
    acceptance_id text,
    expires_at timestamptz,
    residual_risk text,
    compensating_control text
) LANGUAGE sql STABLE AS $$
    WITH holding AS (
        SELECT risk_acceptance.* FROM risk_acceptance
        WHERE
            risk_acceptance.state = 'active'
            AND risk_acceptance.acceptance_id NOT IN (SELECT fault.acceptance_id FROM acceptance_fault(at) AS fault)
    )
    SELECT DISTINCT ON (pair.host_id, pair.advisory_id)
        pair.host_id,
        pair.advisory_id,
        holding.acceptance_id,
        holding.expires_at,
        holding.residual_risk,
        holding.compensating_control
    FROM holding
    INNER JOIN risk_acceptance_finding AS pair ON holding.acceptance_id = pair.acceptance_id
    ORDER BY pair.host_id, pair.advisory_id, holding.expires_at DESC, holding.acceptance_id
$$;
