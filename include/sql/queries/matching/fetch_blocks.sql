-- How many hosts there are, and up to which block.
SELECT
    count(*) AS hosts,
    coalesce(max(host_no) / 1024, -1) AS last_block
FROM host_holding
