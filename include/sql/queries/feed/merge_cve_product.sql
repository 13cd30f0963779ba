MERGE INTO cve_product
USING stage_cve_product AS row
    ON cve_product.cve_id = row.cve_id AND cve_product.place = row.place
WHEN MATCHED AND (cve_product.source, cve_product.vendor, cve_product.products::text)
    IS DISTINCT FROM (row.source, row.vendor, row.products::text)
    THEN UPDATE SET
        source = row.source,
        vendor = row.vendor,
        products = row.products
WHEN NOT MATCHED
    THEN INSERT (cve_id, place, source, vendor, products)
    VALUES (row.cve_id, row.place, row.source, row.vendor, row.products)
