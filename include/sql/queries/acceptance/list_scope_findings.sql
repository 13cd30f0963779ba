-- The live findings that a scope names, with the campaign that carries each (state NULL: none).
SELECT
    found.host_id,
    found.advisory_id,
    found.source_package,
    found.priority,
    found.status,
    campaign.campaign_id,
    campaign.state AS campaign_state
FROM
    acceptance_scope(
        %(cve_ids)s::text[],
        %(advisory_ids)s::text[],
        %(source_packages)s::text[],
        %(host_ids)s::text[],
        %(asset_groups)s::text[]
    ) AS found
INNER JOIN LATERAL finding_of(found.host_id, found.advisory_id) AS finding ON TRUE
LEFT JOIN campaign ON finding.campaign_id = campaign.campaign_id
ORDER BY found.host_id COLLATE "C", found.advisory_id COLLATE "C"
