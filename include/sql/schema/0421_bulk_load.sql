-- Bulk loading: what finds a known quarantine entry. What tells an unchanged record is cve.record_sha256 (0401).
-- Who changes what the readers of CVE records give sets that column to NULL in a migration: each is then read anew.

CREATE INDEX feed_quarantine_by_record ON feed_quarantine (source, record_id);
