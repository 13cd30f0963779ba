-- The hosts to look at, in chunks of neighbours.
INSERT INTO work_scope (host_id, host_no, chunk)
SELECT
    finding_host.host_id,
    finding_host.host_no,
    (row_number() OVER (ORDER BY finding_host.host_no) - 1) / %(chunk_hosts)s::bigint AS chunk
FROM finding_host
INNER JOIN host_holding ON finding_host.host_no = host_holding.host_no
WHERE finding_host.host_id = any(%(host_ids)s::text[])
