-- All marks, taken: what has to be scored again, CVEs and advisories whose facts changed (of_all: so much that all have
-- to be looked at); when all decisions were last looked at, and by which rules (NULL before the first time); and how
-- many rows of findings there are that were never scored, or came back.
WITH score AS (
    DELETE FROM score_change
    RETURNING
        advisory_id,
        host_id
),

fact AS (
    DELETE FROM fact_change
    RETURNING
        cve_id,
        advisory_id
)

SELECT
    array(SELECT DISTINCT score.host_id FROM score WHERE score.host_id IS NOT NULL) AS host_ids,
    array(SELECT DISTINCT score.advisory_id FROM score WHERE score.advisory_id IS NOT NULL) AS advisory_ids,
    array(SELECT DISTINCT fact.cve_id FROM fact WHERE fact.cve_id IS NOT NULL) AS fact_cve_ids,
    array(SELECT DISTINCT fact.advisory_id FROM fact WHERE fact.advisory_id IS NOT NULL) AS fact_advisory_ids,
    (SELECT count(*) FROM fact WHERE num_nonnulls(fact.cve_id, fact.advisory_id) = 0) > 0 AS of_all,
    (SELECT full_scoring.rules_digest FROM full_scoring) AS rules_digest,
    (SELECT full_scoring.scored_at FROM full_scoring) AS scored_at,
    (
        SELECT count(*) FROM shared_finding
        WHERE shared_finding.priority_since IS NULL
    ) + (
        SELECT count(*) FROM own_finding
        WHERE own_finding.priority_since IS NULL AND own_finding.status IN ('open', 'accepted')
    ) AS unscored
