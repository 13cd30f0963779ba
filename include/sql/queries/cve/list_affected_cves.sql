-- The CVEs whose records name one of these products, newest first, with what the sources say of each. A product of NULL
-- stands for all of the vendor's; names are compared without regard to the case of ASCII letters.
WITH wanted AS (
    SELECT
        lower(asked.vendor COLLATE "C") AS vendor,
        lower(asked.product COLLATE "C") AS product
    FROM unnest(%(vendors)s::text[], %(products)s::text[]) AS asked (vendor, product)
),

named AS (
    SELECT DISTINCT
        cve_product.cve_id,
        cve_product.place
    FROM cve_product
    INNER JOIN wanted
        ON
            lower(cve_product.vendor COLLATE "C") = wanted.vendor
            AND (
                wanted.product IS NULL
                OR lower(coalesce(cve_product.product, cve_product.package_name) COLLATE "C") = wanted.product
            )
),

newest AS (
    SELECT
        named.cve_id,
        cve.state,
        cve.title,
        cve.published_at,
        cve.modified_at,
        array_agg(named.place) AS places
    FROM named
    INNER JOIN cve ON named.cve_id = cve.cve_id
    GROUP BY named.cve_id, cve.state, cve.title, cve.published_at, cve.modified_at
    ORDER BY cve.published_at DESC NULLS LAST, named.cve_id DESC
    LIMIT %(max_rows)s
)

SELECT
    newest.cve_id,
    newest.state,
    newest.title,
    newest.published_at,
    newest.modified_at,
    (
        SELECT
            jsonb_agg(
                jsonb_build_object(
                    'vendor', cve_product.vendor,
                    'product', coalesce(cve_product.product, cve_product.package_name),
                    'collection_url', cve_product.collection_url,
                    'source', cve_product.source,
                    'default_status', cve_product.default_status,
                    'versions', cve_product.versions
                )
                ORDER BY cve_product.place
            )
        FROM cve_product
        WHERE cve_product.cve_id = newest.cve_id AND cve_product.place = any(newest.places)
    ) AS products,
    (
        SELECT
            jsonb_agg(
                jsonb_build_object(
                    'source', cve_score.source,
                    'cvss_version', cve_score.cvss_version,
                    'vector', cve_score.vector,
                    'base_score', cve_score.base_score,
                    'severity', cve_score.severity,
                    'dated_at', cve_score.dated_at
                )
                ORDER BY cve_score.source, cve_score.cvss_version, cve_score.vector
            )
        FROM cve_score
        WHERE cve_score.cve_id = newest.cve_id
    ) AS claims,
    threat.kev_added,
    threat.kev_due,
    threat.exploitation,
    threat.epss
FROM newest
CROSS JOIN LATERAL cve_threat(newest.cve_id) AS threat
ORDER BY newest.published_at DESC NULLS LAST, newest.cve_id DESC
