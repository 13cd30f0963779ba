INSERT INTO epss (cve_id, probability, percentile, score_date, model_version, snapshot_id)
SELECT
    row.cve_id,
    row.probability,
    row.percentile,
    row.score_date,
    row.model_version,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            cve_id text, probability double precision, percentile double precision, score_date date, model_version text
        )
ON CONFLICT (cve_id) DO UPDATE
    SET
        probability = excluded.probability,
        percentile = excluded.percentile,
        score_date = excluded.score_date,
        model_version = excluded.model_version,
        snapshot_id = excluded.snapshot_id
    WHERE
    (epss.probability, epss.percentile, epss.score_date, epss.model_version)
    IS DISTINCT FROM (excluded.probability, excluded.percentile, excluded.score_date, excluded.model_version)
