-- The feeds page shows the newest contradictions of each kind: read in this order, not sorted out of all.
CREATE INDEX contradiction_by_kind ON contradiction (kind, last_changed_at DESC, cve_id, subject);
