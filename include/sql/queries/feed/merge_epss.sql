MERGE INTO epss
USING stage_epss AS row
    ON epss.cve_id = row.cve_id
WHEN MATCHED AND (epss.probability, epss.percentile, epss.score_date, epss.model_version)
    IS DISTINCT FROM (row.probability, row.percentile, row.score_date, row.model_version)
    THEN UPDATE SET
        probability = row.probability,
        percentile = row.percentile,
        score_date = row.score_date,
        model_version = row.model_version,
        snapshot_id = %(snapshot_id)s
WHEN NOT MATCHED
    THEN INSERT (cve_id, probability, percentile, score_date, model_version, snapshot_id)
    VALUES (row.cve_id, row.probability, row.percentile, row.score_date, row.model_version, %(snapshot_id)s)
