-- Every host that is not retired, with its open findings by priority. Accepted counts only what an acceptance that
-- holds now covers; a finding that merely calls itself accepted counts as open. Counted per shared row before its hosts
-- are told apart.
WITH standing AS (
    SELECT
        finding.host_id,
        finding.priority,
        finding.deadline < %(at)s AS is_overdue,
        finding.score IS NULL AS is_unscored,
        finding.status = 'accepted' AND holding.acceptance_id IS NOT NULL AS is_accepted,
        count(*) AS findings
    FROM own_finding AS finding
    LEFT JOIN accepted_finding_at(%(at)s) AS holding
        ON finding.host_id = holding.host_id AND finding.advisory_id = holding.advisory_id
    WHERE finding.status IN ('open', 'accepted')
    GROUP BY finding.host_id, finding.priority, is_overdue, is_unscored, is_accepted
),

shared AS (
    SELECT
        member.host_no,
        count(*) AS open_findings,
        count(*) FILTER (WHERE finding.deadline < %(at)s) AS overdue_findings,
        count(*) FILTER (WHERE finding.score IS NULL) AS unscored_findings,
        count(*) FILTER (WHERE finding.priority = 'immediate') AS immediate,
        count(*) FILTER (WHERE finding.priority = 'out_of_cycle') AS out_of_cycle,
        count(*) FILTER (WHERE finding.priority = 'scheduled') AS scheduled,
        count(*) FILTER (WHERE finding.priority = 'defer') AS deferred
    FROM shared_finding AS finding
    CROSS JOIN LATERAL unnest(finding.host_nos) AS member (host_no)
    GROUP BY member.host_no
),

own AS (
    SELECT
        host_id,
        sum(findings) FILTER (WHERE NOT is_accepted) AS open_findings,
        sum(findings) FILTER (WHERE NOT is_accepted AND is_overdue) AS overdue_findings,
        sum(findings) FILTER (WHERE NOT is_accepted AND is_unscored) AS unscored_findings,
        sum(findings) FILTER (WHERE is_accepted) AS accepted_findings,
        sum(findings) FILTER (WHERE NOT is_accepted AND priority = 'immediate') AS immediate,
        sum(findings) FILTER (WHERE NOT is_accepted AND priority = 'out_of_cycle') AS out_of_cycle,
        sum(findings) FILTER (WHERE NOT is_accepted AND priority = 'scheduled') AS scheduled,
        sum(findings) FILTER (WHERE NOT is_accepted AND priority = 'defer') AS deferred
    FROM standing
    GROUP BY host_id
),

installed AS (
    SELECT
        host_id,
        count(*) AS packages
    FROM host_package
    GROUP BY host_id
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
    coalesce(installed.packages, 0) AS packages,
    (coalesce(own.open_findings, 0) + coalesce(shared.open_findings, 0))::bigint AS open_findings,
    (coalesce(own.overdue_findings, 0) + coalesce(shared.overdue_findings, 0))::bigint AS overdue_findings,
    (coalesce(own.unscored_findings, 0) + coalesce(shared.unscored_findings, 0))::bigint AS unscored_findings,
    coalesce(own.accepted_findings, 0)::bigint AS accepted_findings,
    (coalesce(own.immediate, 0) + coalesce(shared.immediate, 0))::bigint AS immediate,
    (coalesce(own.out_of_cycle, 0) + coalesce(shared.out_of_cycle, 0))::bigint AS out_of_cycle,
    (coalesce(own.scheduled, 0) + coalesce(shared.scheduled, 0))::bigint AS scheduled,
    (coalesce(own.deferred, 0) + coalesce(shared.deferred, 0))::bigint AS deferred
FROM host
LEFT JOIN installed ON host.host_id = installed.host_id
LEFT JOIN own ON host.host_id = own.host_id
LEFT JOIN finding_host ON host.host_id = finding_host.host_id
LEFT JOIN shared ON finding_host.host_no = shared.host_no
WHERE host.retired_at IS NULL
ORDER BY host.environment, host.asset_group, host.host_id
