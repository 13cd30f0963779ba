MERGE INTO cve_product
USING stage_cve_product AS row
    ON cve_product.cve_id = row.cve_id AND cve_product.place = row.place
WHEN MATCHED AND (
        cve_product.source, cve_product.vendor, cve_product.product, cve_product.collection_url,
        cve_product.package_name, cve_product.default_status, cve_product.versions::text
    ) IS DISTINCT FROM (
        row.source, row.vendor, row.product, row.collection_url, row.package_name, row.default_status,
        row.versions::text
    )
    THEN UPDATE SET
        source = row.source,
        vendor = row.vendor,
        product = row.product,
        collection_url = row.collection_url,
        package_name = row.package_name,
        default_status = row.default_status,
        versions = row.versions
WHEN NOT MATCHED
    THEN INSERT (
        cve_id, place, source, vendor, product, collection_url, package_name, default_status, versions
    )
    VALUES (
        row.cve_id, row.place, row.source, row.vendor, row.product, row.collection_url, row.package_name,
        row.default_status, row.versions
    )
