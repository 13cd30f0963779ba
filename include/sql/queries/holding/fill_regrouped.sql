-- The groups that hosts of a chunk leave or join, as they are then; without hosts: to be removed.
WITH before AS (
    SELECT
        host_holding.host_no,
        host_holding.kind_id,
        unnest(host_holding.holding_ids) AS holding_id
    FROM work_marked
    INNER JOIN host_holding ON work_marked.host_no = host_holding.host_no
    WHERE work_marked.chunk = %(chunk)s
),

after AS (
    SELECT
        work_holding.host_no,
        work_holding.kind_id,
        unnest(work_holding.holding_ids) AS holding_id,
        host_holding.host_no IS NULL AS is_new
    FROM work_holding
    LEFT JOIN host_holding ON work_holding.host_no = host_holding.host_no
),

left_behind AS (
    SELECT * FROM before
    EXCEPT
    SELECT
        host_no,
        kind_id,
        holding_id
    FROM after
    WHERE NOT is_new
),

joined AS (
    SELECT
        host_no,
        kind_id,
        holding_id
    FROM after
    WHERE NOT is_new
    EXCEPT
    SELECT * FROM before
),

moved AS (
    SELECT
        side.holding_id,
        side.host_no / 1024 AS host_block,
        side.kind_id,
        coalesce(array_agg(side.host_no) FILTER (WHERE side.joins), '{}') AS coming,
        coalesce(array_agg(side.host_no) FILTER (WHERE NOT side.joins), '{}') AS going
    FROM (
        SELECT
            joined.*,
            TRUE AS joins
        FROM joined
        UNION ALL
        SELECT
            host_no,
            kind_id,
            holding_id,
            TRUE AS joins
        FROM after
        WHERE is_new
        UNION ALL
        SELECT
            left_behind.*,
            FALSE AS joins
        FROM left_behind
    ) AS side
    GROUP BY side.holding_id, side.host_no / 1024, side.kind_id
)

INSERT INTO work_regrouped (holding_id, host_block, kind_id, host_nos)
SELECT
    moved.holding_id,
    moved.host_block,
    moved.kind_id,
    array(
        SELECT member.host_no
        FROM unnest(coalesce(standing.host_nos, '{}') || moved.coming) AS member (host_no)
        WHERE member.host_no <> all(moved.going)
        ORDER BY member.host_no
    ) AS host_nos
FROM moved
LEFT JOIN holding_group AS standing
    ON
        moved.holding_id = standing.holding_id
        AND moved.host_block = standing.host_block
        AND moved.kind_id = standing.kind_id
