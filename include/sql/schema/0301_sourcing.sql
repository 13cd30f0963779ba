-- The text that was signed, apart from the file that carried it: archives add signatures without changing the Release.
ALTER TABLE source_state ADD COLUMN release_sha256 text NOT NULL;

CREATE INDEX intake_by_campaign ON intake (campaign_id, decided_at DESC);
