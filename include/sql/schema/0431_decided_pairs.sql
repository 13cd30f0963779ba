-- Matching: what is installed in every ecosystem, and each distinct (advisory, package, version, release) decided once.

-- What language package managers (and rpm) have installed on a host; Debian packages stand in host_package.
CREATE TABLE host_component (
    host_id text NOT NULL REFERENCES host (host_id) ON DELETE CASCADE,
    ecosystem text NOT NULL CHECK (ecosystem IN ('rpm', 'pypi', 'npm', 'maven')), -- the purl's type
    name text NOT NULL,                 -- as the ecosystem compares names; npm: @scope/name; maven: group:artifact
    version text NOT NULL,              -- rpm: [epoch:]version-release
    source_name text,                   -- rpm: the source package; NULL: the name itself
    source_version text,                -- rpm: the source package's version; NULL: the version itself
    location text NOT NULL DEFAULT '',  -- where on the host (a virtual environment, an archive); '': not said
    collected_at timestamptz NOT NULL,
    PRIMARY KEY (host_id, ecosystem, name, version, location)
);
CREATE INDEX host_component_by_source ON host_component (ecosystem, coalesce(source_name, name), version);

-- A version once seen in another ecosystem than deb, with the bytes that sort in its order (inventory/versions/).
CREATE TABLE version_key (
    ecosystem text NOT NULL CHECK (ecosystem IN ('rpm', 'pypi', 'npm', 'maven')),
    version text NOT NULL,
    sort_key bytea,                     -- NULL: no version of that ecosystem; `error` says why, and nothing matches it
    error text,
    PRIMARY KEY (ecosystem, version)
);

CREATE VIEW known_version AS
SELECT
    'deb' AS ecosystem,
    version,
    sort_key,
    error
FROM debian_version
UNION ALL
SELECT
    ecosystem,
    version,
    sort_key,
    error
FROM version_key;

-- One advisory decided for one installed version. Only 'affected' becomes findings. No row: the version is in no range.
CREATE TABLE advisory_pair (
    advisory_id text NOT NULL REFERENCES advisory (advisory_id) ON DELETE CASCADE,
    ecosystem text NOT NULL CHECK (ecosystem IN ('deb', 'rpm', 'pypi', 'npm', 'maven')),
    source_package text NOT NULL,
    source_version text NOT NULL,       -- installed
    os_codename text NOT NULL DEFAULT '', -- the hosts' release as they say it; '': none, or it does not matter
    fixed_version text,                 -- the first version that is out of the range again; NULL: no fix yet
    status text NOT NULL CHECK (status IN ('affected', 'not_affected', 'under_investigation')),
    grounds jsonb NOT NULL,             -- which ranges and CVEs, excused by whom; other advisories of the same
    decided_at timestamptz NOT NULL,    -- when this row last changed
    PRIMARY KEY (ecosystem, source_package, source_version, os_codename, advisory_id)
);
CREATE INDEX advisory_pair_by_advisory ON advisory_pair (advisory_id);
CREATE INDEX advisory_pair_by_time ON advisory_pair (decided_at);

-- apt's Phased-Update-Percentage of the fixed package: only that share of hosts gets it yet. NULL: not phased.
ALTER TABLE advisory_package
ADD COLUMN phased_percentage integer CHECK (phased_percentage BETWEEN 0 AND 100);

ALTER TABLE host
ADD COLUMN kernel_running_version text; -- the running kernel's package version; NULL: it does not say

ALTER TABLE finding
ALTER COLUMN fixed_version DROP NOT NULL, -- NULL: no fix yet
ADD COLUMN ecosystem text NOT NULL DEFAULT 'deb',
ADD COLUMN conditions text[] NOT NULL DEFAULT '{}'; -- held, half_configured …: inventory/conditions.py

-- Everything installed on hosts that count, under the source package that advisories name. Removed packages
-- (config-files, not-installed) do not count. The signed kernel's source is `linux` as well; the kernel that runs
-- counts as installed until another one runs.
CREATE VIEW installed_component AS
WITH present AS (
    SELECT
        host_package.host_id,
        host.os_id,
        host.os_codename,
        host_package.package,
        host_package.version,
        host_package.source_package,
        host_package.source_version,
        host_package.dpkg_status,
        host_package.held,
        host.kernel_running
    FROM host_package
    INNER JOIN host ON host_package.host_id = host.host_id
    WHERE host.retired_at IS NULL AND substr(host_package.dpkg_status, 2, 1) NOT IN ('n', 'c')
)

SELECT
    host_id,
    'deb' AS ecosystem,
    package,
    source_package,
    source_version,
    coalesce(os_codename, '') AS os_codename,
    coalesce(os_id, '') AS os_id,
    dpkg_status,
    held,
    FALSE AS runs_only
FROM present
UNION ALL
SELECT
    host_id,
    'deb' AS ecosystem,
    package,
    regexp_replace(source_package, '^linux-signed(-(amd64|arm64|i386))?(?=-|$)', 'linux') AS source_package,
    version AS source_version,
    coalesce(os_codename, '') AS os_codename,
    coalesce(os_id, '') AS os_id,
    dpkg_status,
    held,
    FALSE AS runs_only
FROM present
WHERE source_package LIKE 'linux-signed%'
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
    host_component.host_id,
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

-- Which hosts show what the decided pairs call affected, and under which conditions (inventory/conditions.py).
DROP VIEW vulnerable_host_source;
CREATE VIEW vulnerable_host_source AS
SELECT
    installed.host_id,
    pair.advisory_id,
    pair.source_package,
    (array_agg(pair.fixed_version ORDER BY present.sort_key DESC))[1] AS fixed_version,
    (array_agg(pair.source_version ORDER BY present.sort_key))[1] AS installed_version,
    array_agg(DISTINCT installed.package ORDER BY installed.package) AS packages,
    pair.ecosystem,
    array_remove(
        ARRAY[
            CASE WHEN bool_or(installed.held) THEN 'held' END,
            CASE WHEN bool_or(substr(installed.dpkg_status, 2, 1) IN ('U', 'F', 'H')) THEN 'half_configured' END,
            CASE WHEN bool_or(phased.phased_percentage < 100) THEN 'phased' END,
            CASE
                WHEN
                    bool_and(installed.runs_only)
                    OR (bool_or(installed.runs_only) AND bool_or(host.kernel_running <> host.kernel_installed))
                    THEN 'reboot_pending'
            END,
            CASE
                WHEN bool_or(coalesce(host.facts -> 'stale_packages', '[]'::jsonb) ? installed.package)
                    THEN 'service_restart_pending'
            END
        ],
        NULL
    ) AS conditions
FROM advisory_pair AS pair
INNER JOIN installed_component AS installed
    ON
        pair.ecosystem = installed.ecosystem
        AND pair.source_package = installed.source_package
        AND pair.source_version = installed.source_version
        AND pair.os_codename = installed.os_codename
INNER JOIN known_version AS present
    ON pair.ecosystem = present.ecosystem AND pair.source_version = present.version
INNER JOIN host ON installed.host_id = host.host_id
LEFT JOIN advisory_package AS phased
    ON pair.advisory_id = phased.advisory_id AND installed.package = phased.package
WHERE pair.status = 'affected'
GROUP BY installed.host_id, pair.advisory_id, pair.source_package, pair.ecosystem;
