-- Why a finding is what it is: the decision of its installed version, with the ranges and the excuses in its grounds.
SELECT
    finding.finding_id,
    finding.status AS finding_status,
    finding.conditions,
    finding.installed_version,
    finding.fixed_version,
    advisory_pair.status AS decision,
    advisory_pair.grounds,
    advisory_pair.decided_at
FROM finding_of(%(host_id)s, %(advisory_id)s) AS finding
INNER JOIN host ON finding.host_id = host.host_id
LEFT JOIN advisory_pair
    ON
        finding.advisory_id = advisory_pair.advisory_id
        AND finding.ecosystem = advisory_pair.ecosystem
        AND finding.source_package = advisory_pair.source_package
        AND finding.installed_version = advisory_pair.source_version
        AND advisory_pair.os_codename IN ('', host.os_codename)
ORDER BY advisory_pair.os_codename DESC NULLS LAST
