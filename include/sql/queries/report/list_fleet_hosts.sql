-- Every host that is not retired, with its open findings by priority. Accepted counts only what an acceptance that
-- holds now covers; a finding that merely calls itself accepted counts as open.
WITH standing AS (
    SELECT
        finding.finding_id,
        finding.host_id,
        finding.priority,
        finding.deadline,
        finding.score,
        CASE
            WHEN finding.status = 'accepted' AND holding.acceptance_id IS NULL THEN 'open' ELSE finding.status
        END AS status
    FROM finding
    LEFT JOIN accepted_finding_at(%(at)s) AS holding
        ON finding.host_id = holding.host_id AND finding.advisory_id = holding.advisory_id
    WHERE finding.status IN ('open', 'accepted')
)

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
    count(standing.finding_id) FILTER (WHERE standing.status = 'open') AS open_findings,
    count(standing.finding_id) FILTER (WHERE standing.status = 'open' AND standing.deadline < %(at)s)
        AS overdue_findings,
    count(standing.finding_id) FILTER (WHERE standing.status = 'open' AND standing.score IS NULL) AS unscored_findings,
    count(standing.finding_id) FILTER (WHERE standing.status = 'accepted') AS accepted_findings,
    count(standing.finding_id) FILTER (WHERE standing.status = 'open' AND standing.priority = 'immediate') AS immediate,
    count(standing.finding_id) FILTER (WHERE standing.status = 'open' AND standing.priority = 'out_of_cycle')
        AS out_of_cycle,
    count(standing.finding_id) FILTER (WHERE standing.status = 'open' AND standing.priority = 'scheduled') AS scheduled,
    count(standing.finding_id) FILTER (WHERE standing.status = 'open' AND standing.priority = 'defer') AS deferred
FROM host
LEFT JOIN standing ON host.host_id = standing.host_id
WHERE host.retired_at IS NULL
GROUP BY host.host_id
ORDER BY host.environment, host.asset_group, host.host_id
