-- Every host that is not retired, with its open findings by priority.
SELECT
    host.host_id,
    host.asset_group,
    host.environment,
    host.criticality,
    host.exposure,
    host.reachable,
    host.last_error,
    host.collected_at,
    host.reboot_required,
    host.services_needing_restart,
    host.kernel_running,
    host.kernel_installed,
    (SELECT count(*) FROM host_package WHERE host_package.host_id = host.host_id) AS packages,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open') AS open_findings,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open' AND finding.deadline < %(at)s) AS overdue_findings,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open' AND finding.score IS NULL) AS unscored_findings,
    count(finding.finding_id) FILTER (WHERE finding.status = 'accepted') AS accepted_findings,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open' AND finding.priority = 'immediate') AS immediate,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open' AND finding.priority = 'out_of_cycle')
        AS out_of_cycle,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open' AND finding.priority = 'scheduled') AS scheduled,
    count(finding.finding_id) FILTER (WHERE finding.status = 'open' AND finding.priority = 'defer') AS deferred
FROM host
LEFT JOIN finding ON host.host_id = finding.host_id
WHERE host.retired_at IS NULL
GROUP BY host.host_id
ORDER BY host.environment, host.asset_group, host.host_id
