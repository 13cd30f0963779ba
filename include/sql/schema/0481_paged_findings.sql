-- A page of open findings is read along this index, however many share a deadline: ties are in the order of their ids.
DROP INDEX finding_open;
CREATE INDEX finding_open ON finding (status, priority, deadline, finding_id);

-- A campaign's findings, for its page and its reports.
CREATE INDEX finding_by_campaign ON finding (campaign_id) WHERE campaign_id IS NOT NULL;
