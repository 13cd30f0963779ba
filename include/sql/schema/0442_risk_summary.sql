-- The whole fleet's findings in a few hundred rows, written at the end of each scoring: pages count these.
CREATE TABLE risk_summary (
    asset_group text NOT NULL,
    priority text NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'accepted')),
    is_unscored boolean NOT NULL,
    deadline_hour timestamptz NOT NULL, -- the hour in which the deadlines lie
    findings bigint NOT NULL,
    oldest_at timestamptz NOT NULL,     -- first seen, or came back
    next_deadline timestamptz NOT NULL,
    summed_at timestamptz NOT NULL,
    PRIMARY KEY (asset_group, priority, status, is_unscored, deadline_hour)
);
