-- Marks of what no current decision rests on: whoever decides on it from now on reads these facts, or later ones.
WITH marked AS (
    SELECT DISTINCT
        fact_change.cve_id,
        fact_change.advisory_id,
        coalesce(fact_change.advisory_id, advisory_cve.advisory_id) AS about
    FROM fact_change
    LEFT JOIN advisory_cve ON fact_change.cve_id = advisory_cve.cve_id
    WHERE num_nonnulls(fact_change.cve_id, fact_change.advisory_id) = 1
),

needed AS MATERIALIZED (
    SELECT DISTINCT coalesce(marked.advisory_id, marked.cve_id) AS mark
    FROM marked
    INNER JOIN decision ON marked.about = decision.advisory_id AND decision.superseded_at IS NULL
)

DELETE FROM fact_change
WHERE
    num_nonnulls(cve_id, advisory_id) = 1
    AND coalesce(advisory_id, cve_id) NOT IN (SELECT needed.mark FROM needed)
