SELECT
    analyze_grown(
        'host', 'host_package', 'host_component', 'advisory', 'advisory_range', 'advisory_cve', 'advisory_pair',
        'debian_version', 'version_key', 'own_finding', 'shared_finding', 'finding_host', 'holding', 'host_holding',
        'holding_group'
    )
