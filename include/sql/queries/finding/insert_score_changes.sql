-- Marks that a later scoring has to look at again.
INSERT INTO score_change (advisory_id, host_id)
SELECT
    advisory_id,
    NULL AS host_id
FROM unnest(%(advisory_ids)s::text[]) AS marked (advisory_id)
UNION ALL
SELECT
    NULL AS advisory_id,
    host_id
FROM unnest(%(host_ids)s::text[]) AS marked (host_id)
