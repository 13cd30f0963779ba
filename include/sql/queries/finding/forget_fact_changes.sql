-- Marks of what no current decision rests on: whoever decides on it from now on reads these facts, or later ones.
WITH marked AS MATERIALIZED (
    SELECT DISTINCT
        fact_change.cve_id,
        fact_change.advisory_id
    FROM fact_change
    WHERE num_nonnulls(fact_change.cve_id, fact_change.advisory_id) = 1
),

needed AS MATERIALIZED (
    SELECT marked.advisory_id AS mark
    FROM marked
    INNER JOIN decision ON marked.advisory_id = decision.advisory_id AND decision.superseded_at IS NULL
    UNION
    SELECT marked.cve_id AS mark
    FROM marked
    INNER JOIN advisory_cve ON marked.cve_id = advisory_cve.cve_id
    INNER JOIN decision ON advisory_cve.advisory_id = decision.advisory_id AND decision.superseded_at IS NULL
)

DELETE FROM fact_change
WHERE
    num_nonnulls(cve_id, advisory_id) = 1
    AND coalesce(advisory_id, cve_id) NOT IN (SELECT needed.mark FROM needed)
