-- Bulk loading: what tells an unchanged record before it is read in detail, and what finds a known quarantine entry.

ALTER TABLE cve
ADD COLUMN content_digest bytea; -- SHA-256 of the reader's version and the record as it came by a bulk load; NULL: otherwise

CREATE INDEX feed_quarantine_by_record ON feed_quarantine (source, record_id);
