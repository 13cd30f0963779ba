-- Where each thing that is known of a CVE is from: table, the source's copy and its digest, the record's own digest.
WITH stated AS (
    SELECT
        'cve' AS stated_in,
        cve.source AS said_by,
        cve.snapshot_id,
        cve.record_sha256
    FROM cve
    WHERE cve.cve_id = %(cve_id)s
    UNION ALL
    SELECT
        'kev' AS stated_in,
        'kev' AS said_by,
        kev.snapshot_id,
        kev.record_sha256
    FROM kev
    WHERE kev.cve_id = %(cve_id)s
    UNION ALL
    SELECT
        'epss' AS stated_in,
        'epss' AS said_by,
        epss.snapshot_id,
        NULL::text AS record_sha256
    FROM epss
    WHERE epss.cve_id = %(cve_id)s
    UNION ALL
    SELECT
        'cve_score' AS stated_in,
        cve_score.source || ' ' || cve_score.cvss_version AS said_by,
        cve_score.snapshot_id,
        NULL::text AS record_sha256
    FROM cve_score
    WHERE cve_score.cve_id = %(cve_id)s
    UNION ALL
    SELECT
        'cve_ssvc' AS stated_in,
        cve_ssvc.source AS said_by,
        cve_ssvc.snapshot_id,
        NULL::text AS record_sha256
    FROM cve_ssvc
    WHERE cve_ssvc.cve_id = %(cve_id)s
    UNION ALL
    SELECT DISTINCT
        'cve_product' AS stated_in,
        cve_product.source AS said_by,
        cve.snapshot_id,
        cve.record_sha256
    FROM cve_product
    INNER JOIN cve ON cve_product.cve_id = cve.cve_id
    WHERE cve_product.cve_id = %(cve_id)s
)

SELECT
    stated.stated_in,
    stated.said_by,
    stated.record_sha256,
    stated.snapshot_id,
    feed_snapshot.source AS feed,
    feed_snapshot.url,
    feed_snapshot.content_sha256,
    feed_snapshot.data_date,
    feed_snapshot.fetched_at
FROM stated
LEFT JOIN feed_snapshot ON stated.snapshot_id = feed_snapshot.snapshot_id
ORDER BY stated.stated_in ASC, stated.said_by ASC
