-- Hosts that still know the quarantine repository are found by what hotfix campaigns did to them, every ten minutes.

CREATE INDEX campaign_in_quarantine ON campaign (campaign_id)
WHERE plan -> 'extra' ->> 'repository' = 'quarantine';

-- What was done to a host, whatever campaign did it.
CREATE INDEX host_step_by_host ON host_step (host_id, phase);
