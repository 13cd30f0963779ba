-- What the records of the staged CVEs named before and name no longer.
DELETE FROM cve_product
USING stage_cve AS record
WHERE
    cve_product.cve_id = record.cve_id
    AND NOT EXISTS (
        SELECT 1
        FROM stage_cve_product AS row
        WHERE row.cve_id = cve_product.cve_id AND row.place = cve_product.place
    )
