-- Feeds and risk: what matching and scoring need beyond the core tables.

ALTER TABLE advisory
ADD COLUMN codename text, -- the distribution release it is for, as os_codename says it; NULL: any
ADD COLUMN snapshot_id bigint REFERENCES feed_snapshot (snapshot_id);

ALTER TABLE finding
ADD COLUMN reopened_at timestamptz,     -- the last time it came back after it was closed; the clock starts anew
ADD COLUMN priority_since timestamptz,  -- since when the priority is what it is; NULL: never scored
DROP CONSTRAINT finding_status_check,
ADD CONSTRAINT finding_status_check CHECK (status IN ('open', 'fixed', 'accepted', 'withdrawn'));

-- A version once seen, with the bytes that sort in Debian order (inventory/debian_version.py).
CREATE TABLE debian_version (
    version text PRIMARY KEY,
    sort_key bytea,                     -- NULL: not a Debian version; `error` says why, and nothing matches it
    error text
);

-- What asking a source for a CVE gave: a gap in the records is a fact as well.
CREATE TABLE cve_lookup (
    cve_id text NOT NULL,
    source text NOT NULL,
    status text NOT NULL CHECK (status IN ('found', 'absent', 'quarantined')),
    reason text,
    etag text,
    content_sha256 text,
    snapshot_id bigint REFERENCES feed_snapshot (snapshot_id),
    looked_up_at timestamptz NOT NULL,
    PRIMARY KEY (cve_id, source)
);

-- The number that the next campaign of a year gets: SUT-2026-0001, SUT-2026-0002 …
CREATE TABLE campaign_number (
    year integer PRIMARY KEY,
    last_number integer NOT NULL
);

-- Which hosts run which source package in a version older than an advisory's fix. Distinct (source package, version)
-- pairs are compared once and fanned out to hosts. Removed packages (config-files, not-installed) do not count.
CREATE VIEW vulnerable_host_source AS
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
        advisory.withdrawn_at IS NULL
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
