-- What vendors say beyond "fixed in": ranges with holes, aliases, VEX, revisions, threat signals, notices from lists.

-- An advisory may be for packages of another world than Debian's, and may have no fix yet.
ALTER TABLE advisory
ADD COLUMN ecosystem text NOT NULL DEFAULT 'deb'
CHECK (ecosystem IN ('deb', 'rpm', 'pypi', 'npm', 'maven')),
ALTER COLUMN fixed_version DROP NOT NULL;  -- NULL: no fix, or more than one: advisory_range says which

ALTER TABLE advisory_cve
ADD COLUMN urgency text,  -- the vendor's own word on this CVE in this package, such as unimportant; NULL: none given
ADD COLUMN note text;     -- why it has no advisory of its own (Debian's nodsa); NULL: nothing said

-- Which versions an advisory is about. A version is affected when ANY of its rows says so:
--   kind range:    (introduced IS NULL OR v >= introduced) AND (fixed IS NULL OR v < fixed)
--                  AND (last_affected IS NULL OR v <= last_affected) AND (limit_before IS NULL OR v < limit_before)
--   kind versions: v is one of `versions`
-- Several range rows of one package make a range with holes. An advisory without rows is [-, advisory.fixed_version).
CREATE TABLE advisory_range (
    advisory_id text NOT NULL REFERENCES advisory (advisory_id) ON DELETE CASCADE,
    range_key text NOT NULL,            -- digest of everything that makes the row what it is
    source text NOT NULL,               -- the feed (feeds.yaml) that says it
    record_id text NOT NULL,            -- its record in that feed: OSV id, CVE of the tracker, USN, CSAF document
    ecosystem text NOT NULL CHECK (ecosystem IN ('deb', 'rpm', 'pypi', 'npm', 'maven')),
    package text NOT NULL,              -- deb, rpm: source package; npm: @scope/name; maven: group:artifact
    codename text NOT NULL DEFAULT '',  -- distribution release (bookworm, jammy, el9); '': any
    module text NOT NULL DEFAULT '',    -- rpm: module and stream (nodejs:20) that it is about; '': no module
    kind text NOT NULL DEFAULT 'range' CHECK (kind IN ('range', 'versions')),
    introduced text,                    -- first affected version; NULL: from the first version on
    fixed text,                         -- first version that is not affected any more; NULL: none
    last_affected text,                 -- last affected version, where the record names no fix; NULL: not given
    limit_before text,                  -- OSV's limit: the range says nothing from this version on; NULL: not given
    versions text[] NOT NULL DEFAULT '{}', -- kind versions: the affected versions, as spelled in the record
    state text NOT NULL DEFAULT 'affected' -- end_of_life: affected, no fix to come; undetermined: not looked into
    CHECK (state IN ('affected', 'undetermined', 'end_of_life')),
    cve_ids text[] NOT NULL DEFAULT '{}', -- the CVEs that this row is about; '{}': all of the advisory's
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    PRIMARY KEY (advisory_id, range_key),
    CHECK (kind <> 'versions' OR cardinality(versions) > 0)
);
CREATE INDEX advisory_range_by_package ON advisory_range (ecosystem, package, codename);

-- Other names of the same thing. An alias may name an advisory of another source (GHSA, PYSEC, USN, CVE).
CREATE TABLE advisory_alias (
    advisory_id text NOT NULL REFERENCES advisory (advisory_id) ON DELETE CASCADE,
    alias text NOT NULL,                -- id as written by its issuer, upper case for CVE
    relation text NOT NULL              -- self: the record's own id; alias: the same flaw; upstream: from
    CHECK (relation IN ('self', 'alias', 'upstream', 'related')),
    PRIMARY KEY (advisory_id, alias)
);
CREATE INDEX advisory_alias_by_alias ON advisory_alias (alias);

-- What a vendor says of one vulnerability in one product (OpenVEX, CSAF VEX, Debian's "not affected in this release").
CREATE TABLE vex_statement (
    source text NOT NULL,               -- the feed (feeds.yaml)
    statement_key text NOT NULL,        -- digest of document, vulnerability, product, subcomponent, codename
    document_id text NOT NULL,          -- OpenVEX @id, CSAF tracking id, Debian's CVE
    author text NOT NULL,               -- who says it: the document's author or publisher
    vulnerability text NOT NULL,        -- CVE id, upper case, or the issuer's own id
    product text NOT NULL,              -- as given: a purl, else a CPE, else the product's full name
    subcomponent text NOT NULL DEFAULT '', -- purl of the part that the statement is about; '': the product itself
    ecosystem text CHECK (ecosystem IN ('deb', 'rpm', 'pypi', 'npm', 'maven')), -- NULL: none that Suture matches
    package text,                       -- name in that ecosystem of the part it is about; NULL: no package is named
    version text,                       -- the one version it is about; NULL: every version
    codename text NOT NULL DEFAULT '',  -- distribution release; '': any
    status text NOT NULL CHECK (status IN ('not_affected', 'affected', 'fixed', 'under_investigation')),
    justification text,                 -- OpenVEX's codes (CSAF flags are the same words); NULL: none given
    impact text,                        -- the author's explanation, at most 2000 characters
    action text,                        -- affected: what to do about it (remediations), at most 2000 characters
    dated_at timestamptz,               -- of the statement; a later one wins; NULL: undated, any dated one wins
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    PRIMARY KEY (source, statement_key)
);
CREATE INDEX vex_statement_by_package ON vex_statement (ecosystem, package, vulnerability);

-- The statement that counts among one source's: the latest; of equally late ones the one that worries most.
CREATE VIEW vex_current AS
SELECT DISTINCT ON (source, vulnerability, product, subcomponent, codename)
    source,
    document_id,
    author,
    vulnerability,
    product,
    subcomponent,
    ecosystem,
    package,
    version,
    codename,
    status,
    justification,
    impact,
    action,
    dated_at
FROM vex_statement
ORDER BY
    source ASC,
    vulnerability ASC,
    product ASC,
    subcomponent ASC,
    codename ASC,
    dated_at DESC NULLS LAST,
    array_position(ARRAY['affected', 'under_investigation', 'fixed', 'not_affected'], status) ASC;

-- Threat intelligence (STIX 2.1): kept as data; a pattern is text and never evaluated here.
CREATE TABLE threat_signal (
    source text NOT NULL,               -- the feed (feeds.yaml)
    signal_id text NOT NULL,            -- STIX id: <type>--<uuid>
    kind text NOT NULL CHECK (kind IN ('vulnerability', 'indicator', 'sighting', 'relationship')),
    name text,                          -- at most 500 characters
    cve_ids text[] NOT NULL DEFAULT '{}', -- its own, and those of what it points at in its bundle
    pattern text,                       -- indicator: as given, at most 10000 characters
    pattern_type text,                  -- stix, snort, yara …
    labels text[] NOT NULL DEFAULT '{}', -- indicator_types and labels
    source_ref text,                    -- relationship: from
    relation text,                      -- relationship: indicates, targets, exploits …
    target_ref text,                    -- relationship: to; sighting: of what
    sighted_count integer,              -- sighting: how often; NULL: not given
    confidence integer CHECK (confidence BETWEEN 0 AND 100), -- NULL: not given, which is no low confidence
    valid_from timestamptz,             -- indicator: valid from; sighting: first seen
    valid_until timestamptz,            -- indicator: valid until; sighting: last seen; NULL: open
    created_at timestamptz,
    modified_at timestamptz,            -- the latest version of an object counts
    revoked boolean NOT NULL DEFAULT FALSE, -- its creator takes it back: it stays here, and counts no more
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    PRIMARY KEY (source, signal_id)
);
CREATE INDEX threat_signal_by_cve ON threat_signal USING gin (cve_ids);

-- Every advisory of a vendor's list with its revisions: DSA-5356-2 follows DSA-5356-1.
CREATE TABLE advisory_revision (
    source text NOT NULL,               -- the feed (feeds.yaml)
    revision_id text NOT NULL,          -- DSA-5356-2
    first_id text NOT NULL,             -- DSA-5356-1, also where that one is not in the list
    revision integer NOT NULL CHECK (revision >= 1),
    is_regression boolean NOT NULL,     -- the vendor's title says regression
    package text NOT NULL,              -- as in the title line
    title text NOT NULL,
    dated date NOT NULL,
    cve_ids text[] NOT NULL DEFAULT '{}',
    fixes jsonb NOT NULL DEFAULT '[]',  -- [{codename, package, version (null: none), state, note}]
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    PRIMARY KEY (source, revision_id)
);
CREATE INDEX advisory_revision_by_first ON advisory_revision (source, first_id);

-- Messages of mailing lists and entries of release feeds: who said what when, and which CVEs it names.
CREATE TABLE notice (
    source text NOT NULL,               -- the feed (feeds.yaml)
    message_id text NOT NULL,           -- Message-ID without its brackets, or the entry's id
    list text NOT NULL,                 -- List-Id, or the feed's title
    sender text,                        -- as written, control characters removed; nobody has proven it
    subject text NOT NULL,
    dated_at timestamptz,               -- NULL: none that can be read
    in_reply_to text,
    cve_ids text[] NOT NULL DEFAULT '{}', -- mentioned in subject or text: a mention is no statement
    url text,                           -- https only; NULL: none that may be shown
    excerpt text NOT NULL DEFAULT '',   -- the text's beginning, at most 4000 characters, never markup
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    PRIMARY KEY (source, message_id)
);
CREATE INDEX notice_by_cve ON notice USING gin (cve_ids);

-- As before, and for Debian packages only: a Python project may bear a source package's name.
CREATE OR REPLACE VIEW vulnerable_host_source AS
WITH installed AS (
    SELECT
        host_package.host_id,
        host_package.package,
        host_package.source_package,
        host_package.source_version,
        host.os_codename
    FROM host_package
    INNER JOIN host ON host_package.host_id = host.host_id
    WHERE host.retired_at IS NULL AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
),

pair AS (
    SELECT DISTINCT
        installed.source_package,
        installed.source_version,
        installed.os_codename
    FROM installed
),

behind AS (
    SELECT
        pair.source_package,
        pair.source_version,
        pair.os_codename,
        present.sort_key,
        advisory.advisory_id,
        advisory.fixed_version
    FROM pair
    INNER JOIN advisory ON pair.source_package = advisory.source_package
    INNER JOIN debian_version AS present ON pair.source_version = present.version
    INNER JOIN debian_version AS fixed ON advisory.fixed_version = fixed.version
    WHERE
        advisory.ecosystem = 'deb'
        AND advisory.withdrawn_at IS NULL
        AND (advisory.codename IS NULL OR advisory.codename = pair.os_codename)
        AND present.sort_key < fixed.sort_key
)

SELECT
    installed.host_id,
    behind.advisory_id,
    behind.source_package,
    behind.fixed_version,
    (array_agg(behind.source_version ORDER BY behind.sort_key))[1] AS installed_version,
    array_agg(DISTINCT installed.package ORDER BY installed.package) AS packages
FROM behind
INNER JOIN installed
    ON
        behind.source_package = installed.source_package
        AND behind.source_version = installed.source_version
        AND behind.os_codename IS NOT DISTINCT FROM installed.os_codename
GROUP BY installed.host_id, behind.advisory_id, behind.source_package, behind.fixed_version;
