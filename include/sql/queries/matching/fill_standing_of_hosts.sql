-- The findings that the chunk's hosts have already, in rows of their own and in shared ones.
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
FROM placed
INNER JOIN own_finding AS own ON placed.host_id = own.host_id
UNION ALL
SELECT
    shared.first_id + member.place - 1 AS finding_id,
    shared.first_id AS shared_id,
    member.host_no,
    shared.advisory_id,
    TRUE AS is_live
FROM shared_finding AS shared
CROSS JOIN LATERAL unnest(shared.host_nos) WITH ORDINALITY AS member (host_no, place)
WHERE
    shared.host_block IN (SELECT DISTINCT around.host_no / 1024 FROM placed AS around)
    AND member.host_no IN (SELECT inside.host_no FROM placed AS inside)
