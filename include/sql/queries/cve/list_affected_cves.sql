-- The CVEs whose records name one of these products, newest first, with what the sources say of each. A product of NULL
-- stands for all of the vendor's; names are compared without regard to the case of ASCII letters.
WITH wanted AS (
    SELECT
        lower(asked.vendor COLLATE "C") AS vendor,
        lower(asked.product COLLATE "C") AS product
    FROM unnest(%(vendors)s::text[], %(products)s::text[]) AS asked (vendor, product)
),

named AS (
    SELECT DISTINCT cve_product.cve_id
    FROM cve_product
    INNER JOIN wanted ON lower(cve_product.vendor COLLATE "C") = wanted.vendor
    CROSS JOIN LATERAL json_array_elements(  -- none is looked at where any will do
        CASE WHEN wanted.product IS NULL THEN '[{}]' ELSE cve_product.products END
    ) AS entry (said)
    WHERE
        wanted.product IS NULL
        OR lower(coalesce(entry.said ->> 'product', entry.said ->> 'package_name') COLLATE "C") = wanted.product
),

newest AS (
    SELECT
        named.cve_id,
        cve.state,
        cve.title,
        cve.published_at,
        cve.modified_at
    FROM named
    INNER JOIN cve ON named.cve_id = cve.cve_id
    ORDER BY cve.published_at DESC NULLS LAST, named.cve_id DESC
    LIMIT %(max_rows)s
),

entry AS (
    SELECT
        cve_product.cve_id,
        cve_product.place,
        cve_product.source,
        cve_product.vendor,
        listed.number,
        listed.said,
        coalesce(listed.said ->> 'product', listed.said ->> 'package_name') AS product
    FROM newest
    INNER JOIN cve_product ON newest.cve_id = cve_product.cve_id
    CROSS JOIN LATERAL json_array_elements(cve_product.products) WITH ORDINALITY AS listed (said, number)
),

asked AS (
    SELECT DISTINCT
        entry.cve_id,
        entry.place,
        entry.number
    FROM entry
    INNER JOIN wanted
        ON
            lower(entry.vendor COLLATE "C") = wanted.vendor
            AND (wanted.product IS NULL OR lower(entry.product COLLATE "C") = wanted.product)
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
                    'vendor', entry.vendor,
                    'product', entry.product,
                    'collection_url', entry.said ->> 'collection_url',
                    'source', entry.source,
                    'default_status', entry.said ->> 'default_status',
                    'versions', entry.said -> 'versions'
                )
                ORDER BY entry.place, entry.number
            )
        FROM entry
        INNER JOIN asked ON entry.cve_id = asked.cve_id AND entry.place = asked.place AND entry.number = asked.number
        WHERE entry.cve_id = newest.cve_id
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
