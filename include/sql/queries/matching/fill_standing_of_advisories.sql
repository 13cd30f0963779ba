-- As fill_standing, for the advisories in work_advisory only.
WITH placed AS MATERIALIZED (
    SELECT
        host_id,
        host_no
    FROM work_scope
    WHERE chunk = %(chunk)s
)

INSERT INTO work_standing (finding_id, shared_id, host_no, advisory_id, is_live)
SELECT
    own.finding_id,
    NULL AS shared_id,
    placed.host_no,
    own.advisory_id,
    own.status IN ('open', 'accepted') AS is_live
FROM work_advisory
INNER JOIN own_finding AS own ON work_advisory.advisory_id = own.advisory_id
INNER JOIN placed ON own.host_id = placed.host_id
UNION ALL
SELECT
    shared.first_id + member.place - 1 AS finding_id,
    shared.first_id AS shared_id,
    member.host_no,
    shared.advisory_id,
    TRUE AS is_live
FROM work_advisory
INNER JOIN shared_finding AS shared ON work_advisory.advisory_id = shared.advisory_id
CROSS JOIN LATERAL unnest(shared.host_nos) WITH ORDINALITY AS member (host_no, place)
WHERE member.host_no IN (SELECT inside.host_no FROM placed AS inside)
