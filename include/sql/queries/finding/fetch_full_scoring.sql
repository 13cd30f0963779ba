-- When all decisions were last looked at, and by which rules (NULL before the first time); and how many rows of
-- findings there are that were never scored, or came back.
SELECT
    (SELECT full_scoring.rules_digest FROM full_scoring) AS rules_digest,
    (SELECT full_scoring.scored_at FROM full_scoring) AS scored_at,
    (
        SELECT count(*) FROM shared_finding
        WHERE shared_finding.priority_since IS NULL
    ) + (
        SELECT count(*) FROM own_finding
        WHERE own_finding.priority_since IS NULL AND own_finding.status IN ('open', 'accepted')
    ) AS unscored
