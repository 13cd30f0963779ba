-- The contradictions of 0501 by a cheaper way to the same rows: who scored is asked only where scores differ.
-- Of 300,000 scores 0.39 s became 0.30, of 600,000 (two of each CVE) 0.59 became 0.53.

CREATE OR REPLACE VIEW present_contradiction AS
WITH scorer AS NOT MATERIALIZED (
    SELECT
        cve_score.cve_id,
        cve_score.source,
        cve_score.cvss_version,
        cve_score.vector,
        coalesce(vector_score.base_score, cve_score.base_score) AS score,
        CASE
            WHEN cve_score.source LIKE 'cna:%' THEN 1
            WHEN cve_score.source LIKE 'vendor:%' THEN 2
            WHEN upper(cve_score.source) LIKE 'ADP:CISA%' THEN 3
            WHEN cve_score.source LIKE 'adp:%' THEN 4
            ELSE 5
        END AS place
    FROM cve_score
    LEFT JOIN vector_score ON cve_score.vector = vector_score.vector
    WHERE
        cve_score.cvss_version <> ''
        AND coalesce(vector_score.base_score, cve_score.base_score) IS NOT NULL
        -- NVD repeats the CNA's score under the CNA's address: that is no second opinion.
        AND (cve_score.source NOT LIKE 'nvd:%' OR cve_score.source = 'nvd:nvd@nist.gov')
),

-- Which ones differ is found without a text for each of the many that agree.
differing AS (
    SELECT
        cve_id,
        cvss_version
    FROM scorer
    GROUP BY cve_id, cvss_version
    HAVING min(score) <> max(score)
)

SELECT
    'score_not_of_vector' AS kind,
    cve_score.cve_id,
    cve_score.source || ' ' || cve_score.cvss_version || ' ' || cve_score.vector AS subject,
    jsonb_build_array(
        jsonb_build_object(
            'source', cve_score.source || ', vector', 'says', vector_score.base_score || ' by ' || cve_score.vector
        ),
        jsonb_build_object('source', cve_score.source || ', score', 'says', cve_score.base_score::text)
    ) AS claims
FROM cve_score
INNER JOIN vector_score ON cve_score.vector = vector_score.vector
WHERE cve_score.base_score <> vector_score.base_score

UNION ALL

SELECT
    'scores_differ' AS kind,
    scorer.cve_id,
    scorer.cvss_version AS subject,
    jsonb_agg(
        jsonb_build_object('source', scorer.source, 'says', trim(scorer.score || ' ' || scorer.vector))
        ORDER BY scorer.place, scorer.source, scorer.vector
    ) AS claims
FROM differing
INNER JOIN scorer ON differing.cve_id = scorer.cve_id AND differing.cvss_version = scorer.cvss_version
GROUP BY scorer.cve_id, scorer.cvss_version
HAVING min(scorer.source) <> max(scorer.source)

UNION ALL

SELECT
    'kev_not_in_record' AS kind,
    kev.cve_id,
    '' AS subject,
    jsonb_build_array(
        jsonb_build_object('source', 'kev', 'says', 'known exploited, added ' || kev.date_added),
        jsonb_build_object('source', 'cve5', 'says', 'the CVE record does not mention it')
    ) AS claims
FROM kev
INNER JOIN cve ON kev.cve_id = cve.cve_id
WHERE cve.record_kev IS FALSE

UNION ALL

SELECT
    'record_not_in_kev' AS kind,
    cve.cve_id,
    '' AS subject,
    jsonb_build_array(
        jsonb_build_object(
            'source', 'cve5', 'says', 'known exploited' || coalesce(', added ' || cve.record_kev_added, '')
        ),
        jsonb_build_object('source', 'kev', 'says', 'the catalogue does not name it')
    ) AS claims
FROM cve
WHERE
    cve.record_kev
    AND NOT EXISTS (SELECT 1 FROM kev WHERE kev.cve_id = cve.cve_id)
    AND EXISTS (SELECT 1 FROM kev)      -- a catalogue that was never loaded says nothing

UNION ALL

SELECT
    'kev_dates_differ' AS kind,
    kev.cve_id,
    'date added' AS subject,
    jsonb_build_array(
        jsonb_build_object('source', 'kev', 'says', 'added ' || kev.date_added),
        jsonb_build_object('source', 'cve5', 'says', 'added ' || cve.record_kev_added)
    ) AS claims
FROM kev
INNER JOIN cve ON kev.cve_id = cve.cve_id
WHERE cve.record_kev_added <> kev.date_added

UNION ALL

SELECT
    'kev_due_before_added' AS kind,
    kev.cve_id,
    'due date' AS subject,
    jsonb_build_array(
        jsonb_build_object('source', 'kev', 'says', 'added ' || kev.date_added),
        jsonb_build_object('source', 'kev', 'says', 'due ' || kev.due_date)
    ) AS claims
FROM kev
WHERE kev.due_date < kev.date_added

UNION ALL

SELECT
    'kev_but_not_active' AS kind,
    kev.cve_id,
    'exploitation' AS subject,
    jsonb_build_array(
        jsonb_build_object('source', 'kev', 'says', 'known exploited, added ' || kev.date_added),
        jsonb_build_object('source', cve_ssvc.source, 'says', 'exploitation ' || cve_ssvc.exploitation)
    ) AS claims
FROM kev
INNER JOIN cve_ssvc ON kev.cve_id = cve_ssvc.cve_id
WHERE cve_ssvc.exploitation <> 'active'

UNION ALL

SELECT
    'rejected_but_in_kev' AS kind,
    kev.cve_id,
    '' AS subject,
    jsonb_build_array(
        jsonb_build_object('source', 'kev', 'says', 'known exploited, added ' || kev.date_added),
        jsonb_build_object('source', cve.source, 'says', 'the CVE is rejected')
    ) AS claims
FROM kev
INNER JOIN cve ON kev.cve_id = cve.cve_id
WHERE cve.state = 'REJECTED'

UNION ALL

SELECT
    'rejected_but_in_epss' AS kind,
    epss.cve_id,
    '' AS subject,
    jsonb_build_array(
        jsonb_build_object('source', cve.source, 'says', 'the CVE is rejected'),
        -- The score moves every day; the contradiction does not.
        jsonb_build_object('source', 'epss', 'says', 'a probability of exploitation')
    ) AS claims
FROM epss
INNER JOIN cve ON epss.cve_id = cve.cve_id
WHERE cve.state = 'REJECTED';
