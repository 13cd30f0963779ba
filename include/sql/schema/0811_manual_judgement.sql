-- A named person's word on a ring of which the judge could show nothing: it may be followed. The verdict stays.
CREATE TABLE manual_judgement (
    manual_judgement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id text NOT NULL REFERENCES campaign (campaign_id),
    plan_hash text NOT NULL,
    ring text NOT NULL,
    verdict_id bigint NOT NULL UNIQUE REFERENCES verdict (verdict_id),  -- the inconclusive one that the person read
    judged_by text NOT NULL,
    reason text NOT NULL,
    judged_at timestamptz NOT NULL
);
CREATE INDEX manual_judgement_by_ring ON manual_judgement (campaign_id, plan_hash, ring);
