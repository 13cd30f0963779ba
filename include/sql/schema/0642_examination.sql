-- What the examiners said of each package of an intake: notes against content, binary analysis, bills of materials.

CREATE TABLE package_examination (
    examination_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intake_id bigint NOT NULL REFERENCES intake (intake_id),
    campaign_id text NOT NULL,
    examiner text NOT NULL,
    package text NOT NULL,
    version text NOT NULL,
    architecture text NOT NULL,
    against text,                       -- the version that it was compared with; NULL: none was to be had
    action text CHECK (action IN ('note', 'review', 'refuse')), -- the sternest that policy gave; NULL: no concern
    concerns jsonb NOT NULL,            -- kind, subject, sentence, details, action; the sternest first
    facts jsonb NOT NULL,
    seconds double precision NOT NULL,
    examined_at timestamptz NOT NULL,
    UNIQUE (intake_id, examiner, package, architecture)
);
CREATE INDEX package_examination_by_campaign ON package_examination (campaign_id, intake_id);
