-- A page of open findings is read along this index, however many share a deadline: ties are in the order of their ids.
DROP INDEX finding_open;
CREATE INDEX finding_open ON finding (status, priority, deadline, finding_id);
