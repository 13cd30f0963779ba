-- Which products a CVE record says are affected, as its containers name them; a row for each entry of `affected`. They
-- are replaced with their record, so that its row in `cve` says which copy they are from, and its digest.

CREATE TABLE cve_product (
    cve_id text NOT NULL,
    place smallint NOT NULL,            -- among all of the record's entries, from 0
    source text NOT NULL,               -- who says so: cna:<name>, adp:<name>
    vendor text,
    product text,
    collection_url text,                -- the registry or archive that package_name is a name in
    package_name text,
    default_status text CHECK (default_status IN ('affected', 'unaffected', 'unknown')),  -- of versions not named
    -- [{version, status, lessThan, lessThanOrEqual, versionType, changes}], [] for none. json: it is kept and shown,
    -- and costs less to write than jsonb.
    versions json NOT NULL,
    PRIMARY KEY (cve_id, place)
);

-- Names differ by case only from one record to the next. "C": the letters of ASCII, which is what they are written in.
CREATE INDEX cve_product_by_name ON cve_product (
    lower(vendor COLLATE "C"), lower(coalesce(product, package_name) COLLATE "C")
);

-- The records that we have were read without their products: each is to be read anew, also from a copy that is the last
-- one over again. What that copy's digest was stays in the evidence log.
UPDATE cve SET record_sha256 = NULL WHERE source = 'cve5' AND record_sha256 IS NOT NULL;

UPDATE cve_lookup SET etag = NULL, content_sha256 = NULL WHERE etag IS NOT NULL OR content_sha256 IS NOT NULL;

WITH record_feed AS (
    SELECT source FROM cve_lookup
    UNION
    SELECT feed_snapshot.source
    FROM cve
    INNER JOIN feed_snapshot ON cve.snapshot_id = feed_snapshot.snapshot_id
    WHERE cve.source = 'cve5'
),

last_copy AS (
    SELECT max(feed_snapshot.snapshot_id) AS snapshot_id
    FROM feed_snapshot
    INNER JOIN record_feed ON feed_snapshot.source = record_feed.source
    WHERE feed_snapshot.status = 'accepted'
    GROUP BY feed_snapshot.source
)

UPDATE feed_snapshot SET content_sha256 = NULL, etag = NULL
FROM last_copy
WHERE feed_snapshot.snapshot_id = last_copy.snapshot_id;
