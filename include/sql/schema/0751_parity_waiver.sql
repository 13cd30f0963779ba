-- A person's word that a campaign of a group without a mirror may go on without staging tests, for one plan.
CREATE TABLE parity_waiver (
    parity_waiver_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    plan_hash text NOT NULL,
    asset_group text NOT NULL,
    policy_reason text NOT NULL,        -- why policy says that there is no mirror (parity.yaml)
    waived_by text NOT NULL,
    reason text NOT NULL,               -- the person's own, for this campaign
    waived_at timestamptz NOT NULL,
    UNIQUE (campaign_id, plan_hash)
);

-- The waiver that a measurement rests on; NULL where hosts were compared. Such a row never counts as passed.
ALTER TABLE parity_run
ADD COLUMN parity_waiver_id bigint REFERENCES parity_waiver (parity_waiver_id),
ADD CONSTRAINT parity_run_waived_never_passed CHECK (parity_waiver_id IS NULL OR NOT passed);
