-- A shared finding says what kind of asset its hosts were of when it was written, so that the summary counts it by its
-- row. Before, each host of it was looked up: half of the time of writing 50,000 findings.
ALTER TABLE shared_finding ADD COLUMN kind_id integer;  -- NULL: not said; then its hosts are asked

CREATE OR REPLACE FUNCTION sum_new_shared_findings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Where no host is marked, holdings (and with them kinds) are what the hosts are now: none moved, none was retired.
    IF NOT EXISTS (SELECT FROM holding_change) AND NOT EXISTS (SELECT FROM changed WHERE changed.kind_id IS NULL) THEN
        INSERT INTO risk_summary
        SELECT
            asset_kind.asset_group, changed.priority, 'open', changed.score IS NULL, date_trunc('hour', changed.deadline),
            date_trunc('hour', changed.first_seen_at), sum(cardinality(changed.host_nos)), min(changed.first_seen_at),
            min(changed.deadline)
        FROM changed
        INNER JOIN asset_kind ON changed.kind_id = asset_kind.kind_id
        GROUP BY 1, 2, 3, 4, 5, 6;
        RETURN NULL;
    END IF;
    INSERT INTO risk_summary
    SELECT
        alike.asset_group, alike.priority, 'open', alike.is_unscored, date_trunc('hour', alike.deadline),
        date_trunc('hour', alike.first_seen_at), sum(alike.findings), min(alike.first_seen_at), min(alike.deadline)
    FROM (
        SELECT
            host.asset_group, changed.priority, changed.score IS NULL AS is_unscored, changed.deadline,
            changed.first_seen_at, count(*) AS findings
        FROM changed
        CROSS JOIN LATERAL unnest(changed.host_nos) AS member (host_no)
        INNER JOIN finding_host ON member.host_no = finding_host.host_no
        INNER JOIN host ON finding_host.host_id = host.host_id
        WHERE host.retired_at IS NULL
        GROUP BY 1, 2, 3, 4, 5
    ) AS alike
    GROUP BY 1, 2, 3, 4, 5, 6;
    RETURN NULL;
END $$;
