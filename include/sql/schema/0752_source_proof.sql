-- Sources that are proven on schedule: how each is now. The intakes keep what was adopted or refused, and when.
CREATE TABLE source_proof (
    source text PRIMARY KEY,
    kind text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('adopted', 'proven', 'refused')), -- proven: lists only, nothing taken over
    reason text,                        -- NULL unless refused
    sentence text NOT NULL,
    next_step text,                     -- NULL unless refused
    alarms jsonb NOT NULL,              -- sentences: what somebody must do about keys in time
    not_proven jsonb NOT NULL,          -- sentences: what this kind, as it is set up, cannot prove
    intake_id bigint REFERENCES intake (intake_id), -- the last one; NULL: none yet
    judged_at timestamptz NOT NULL
);

-- An intake of a source that is proven on schedule belongs to no campaign; its examinations neither.
ALTER TABLE package_examination ALTER COLUMN campaign_id DROP NOT NULL;
CREATE INDEX intake_by_source ON intake (source, intake_id DESC);
