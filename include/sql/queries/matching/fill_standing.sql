-- The findings that hosts of a chunk of blocks have already and that are not settled, in rows of their own and in
-- shared ones. Those of hosts that are not managed any more stay as they are.
INSERT INTO work_standing (finding_id, shared_id, host_no, advisory_id, is_live)
SELECT
    own.finding_id,
    NULL AS shared_id,
    finding_host.host_no,
    own.advisory_id,
    own.status IN ('open', 'accepted') AS is_live
FROM own_finding AS own
INNER JOIN finding_host ON own.host_id = finding_host.host_id
INNER JOIN host_holding ON finding_host.host_no = host_holding.host_no
WHERE
    finding_host.host_block BETWEEN %(first_block)s::integer AND %(last_block)s::integer
    AND (NOT %(of_advisories)s OR own.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory))
UNION ALL
SELECT
    shared.first_id + member.place - 1 AS finding_id,
    shared.first_id AS shared_id,
    member.host_no,
    shared.advisory_id,
    TRUE AS is_live
FROM shared_finding AS shared
CROSS JOIN LATERAL unnest(shared.host_nos) WITH ORDINALITY AS member (host_no, place)
INNER JOIN host_holding ON member.host_no = host_holding.host_no
WHERE
    shared.host_block BETWEEN %(first_block)s::integer AND %(last_block)s::integer
    AND (NOT %(of_advisories)s OR shared.advisory_id IN (SELECT work_advisory.advisory_id FROM work_advisory))
    AND NOT EXISTS (SELECT 1 FROM work_settled WHERE work_settled.first_id = shared.first_id)
