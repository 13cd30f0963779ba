-- Strategy (which comparison recommended what), windows (what waiting costs against downtime), capacity (who is tested
-- when).

CREATE TABLE strategy_comparison (
    comparison_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset_group text NOT NULL,
    history text NOT NULL,              -- what was replayed: warehouse, or the files' names
    first_day date NOT NULL,
    last_day date NOT NULL,
    advisories integer NOT NULL CHECK (advisories > 0),
    in_force text NOT NULL,             -- the group's strategy by policy when it was compared
    recommended text NOT NULL,
    robust boolean NOT NULL,            -- the recommendation holds with exposure at a third and three times its price
    result jsonb NOT NULL,              -- risk/strategy_simulation.Comparison as JSON
    policy_hash text NOT NULL,          -- SHA-256 over the canonical JSON of strategy.yaml
    compared_at timestamptz NOT NULL
);
CREATE INDEX strategy_comparison_by_group ON strategy_comparison (asset_group, compared_at DESC);

CREATE TABLE window_choice (
    campaign_id text PRIMARY KEY REFERENCES campaign (campaign_id),
    window_name text NOT NULL,
    chosen_start timestamptz,           -- NULL: refused, or nothing to choose from; `sentence` says why
    chosen_end timestamptz,
    refused boolean NOT NULL,
    steers boolean NOT NULL,            -- exposure.yaml said so: admission waits for the chosen window
    sentence text NOT NULL,
    arithmetic jsonb NOT NULL,          -- risk/exposure_cost.Choice as JSON
    weighed_at timestamptz NOT NULL,
    CHECK (NOT refused OR chosen_start IS NULL)
);

CREATE TABLE patch_train (
    train_id text PRIMARY KEY,          -- its start in UTC: 2026-12-01T07:00Z
    starts_at timestamptz NOT NULL UNIQUE,
    ends_at timestamptz NOT NULL,
    capacity_minutes integer NOT NULL CHECK (capacity_minutes >= 0),
    planned_minutes integer NOT NULL CHECK (planned_minutes >= 0),
    over_capacity boolean NOT NULL,     -- immediate campaigns need more than there is: they go all the same
    planned_at timestamptz NOT NULL,
    CHECK (over_capacity OR planned_minutes <= capacity_minutes)
);

CREATE TABLE train_slot (
    campaign_id text PRIMARY KEY REFERENCES campaign (campaign_id),
    train_id text REFERENCES patch_train (train_id), -- NULL: no train within the horizon has room
    minutes integer NOT NULL CHECK (minutes > 0),
    measured boolean NOT NULL,          -- FALSE: the policy's estimate
    risk double precision NOT NULL,
    sentence text NOT NULL,
    planned_at timestamptz NOT NULL,
    released_at timestamptz             -- handed to staging; NULL: it waits for its train (where the policy enforces)
);
CREATE INDEX train_slot_by_train ON train_slot (train_id);
