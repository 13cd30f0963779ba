-- Which versions the advisories of a package are about, withdrawn ones left out.
SELECT
    advisory_range.advisory_id,
    advisory_range.source,
    advisory_range.record_id,
    advisory_range.ecosystem,
    advisory_range.package,
    advisory_range.codename,
    advisory_range.module,
    advisory_range.kind,
    advisory_range.introduced,
    advisory_range.fixed,
    advisory_range.last_affected,
    advisory_range.limit_before,
    advisory_range.versions,
    advisory_range.state,
    advisory_range.cve_ids
FROM advisory_range
INNER JOIN advisory ON advisory_range.advisory_id = advisory.advisory_id
WHERE
    advisory.withdrawn_at IS NULL
    AND advisory_range.ecosystem = %(ecosystem)s
    AND advisory_range.package = %(package)s
ORDER BY advisory_range.advisory_id, advisory_range.range_key
