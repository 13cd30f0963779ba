-- A row for each vendor that a container of a record names, with all of its products, in place of a row for each
-- product: most records name one vendor. Less than half of the server's time for writing them.

ALTER TABLE cve_product RENAME TO cve_product_entry;
ALTER INDEX cve_product_pkey RENAME TO cve_product_entry_pkey;

CREATE TABLE cve_product (
    cve_id text NOT NULL,
    place smallint NOT NULL,            -- of its first entry among all of the record's, from 0; the others follow
    source text NOT NULL,               -- who says so: cna:<name>, adp:<name>
    vendor text,
    -- [{product, package_name, collection_url, default_status, versions}]: what is not said is not there.
    -- collection_url: the registry or archive that package_name is a name in. default_status: of versions that are not
    -- named. versions: [{version, status, lessThan, lessThanOrEqual, versionType, changes}], [] for none.
    products json NOT NULL,
    PRIMARY KEY (cve_id, place)
);

-- Entries that stand together, of one source and one vendor.
WITH neighbour AS (
    SELECT
        cve_id,
        place,
        source,
        vendor,
        product,
        collection_url,
        package_name,
        default_status,
        versions,
        lag(place) OVER same_record AS place_before,
        lag(source) OVER same_record AS source_before,
        lag(vendor) OVER same_record AS vendor_before
    FROM cve_product_entry
    WINDOW same_record AS (PARTITION BY cve_id ORDER BY place)
),

numbered AS (
    SELECT
        cve_id,
        place,
        source,
        vendor,
        product,
        collection_url,
        package_name,
        default_status,
        versions,
        count(*) FILTER (
            WHERE place_before IS NULL OR source_before <> source OR vendor_before IS DISTINCT FROM vendor
        ) OVER (PARTITION BY cve_id ORDER BY place) AS run
    FROM neighbour
)

INSERT INTO cve_product (cve_id, place, source, vendor, products)
SELECT
    cve_id,
    min(place) AS place,
    source,
    vendor,
    json_agg(
        json_strip_nulls(json_build_object(
            'product', product, 'package_name', package_name, 'collection_url', collection_url,
            'default_status', default_status, 'versions', versions
        ))
        ORDER BY place
    ) AS products
FROM numbered
GROUP BY cve_id, run, source, vendor;

DROP TABLE cve_product_entry;

-- Names differ by case only from one record to the next. "C": the letters of ASCII, which is what they are written in.
CREATE INDEX cve_product_by_vendor ON cve_product (lower(vendor COLLATE "C"));
