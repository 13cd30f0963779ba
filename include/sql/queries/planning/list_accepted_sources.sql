SELECT DISTINCT
    finding.host_id,
    finding.source_package
FROM finding
INNER JOIN host ON finding.host_id = host.host_id
WHERE finding.status = 'accepted' AND host.environment = 'production' AND host.retired_at IS NULL
ORDER BY finding.host_id, finding.source_package
