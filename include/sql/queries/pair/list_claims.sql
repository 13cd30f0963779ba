-- These advisories as each speaks of each of its packages and releases: spans, vulnerabilities, names, packages.
WITH asked AS (
    SELECT advisory.*
    FROM advisory
    WHERE advisory.advisory_id = any(%(advisory_ids)s)
),

spans AS (
    SELECT
        advisory_range.advisory_id,
        advisory_range.ecosystem,
        advisory_range.package,
        advisory_range.codename,
        jsonb_agg(
            jsonb_build_object(
                'introduced', advisory_range.introduced,
                'fixed', advisory_range.fixed,
                'last_affected', advisory_range.last_affected,
                'limit_before', advisory_range.limit_before,
                'versions', advisory_range.versions,
                'state', advisory_range.state,
                'cve_ids', advisory_range.cve_ids,
                'key', advisory_range.range_key,
                'module', advisory_range.module
            ) ORDER BY advisory_range.range_key
        ) AS spans
    FROM advisory_range
    INNER JOIN asked ON advisory_range.advisory_id = asked.advisory_id
    GROUP BY advisory_range.advisory_id, advisory_range.ecosystem, advisory_range.package, advisory_range.codename
)

SELECT
    asked.advisory_id,
    asked.source,
    asked.published_at,
    asked.details ->> 'osv_id' AS record_name,
    coalesce(spans.ecosystem, asked.ecosystem) AS ecosystem,
    coalesce(spans.package, asked.source_package) AS package,
    coalesce(spans.codename, asked.codename, '') AS codename,
    coalesce(spans.spans, jsonb_build_array(jsonb_build_object('fixed', asked.fixed_version))) AS spans,
    coalesce((
        SELECT jsonb_object_agg(advisory_cve.cve_id, advisory_cve.relation) FROM advisory_cve
        WHERE advisory_cve.advisory_id = asked.advisory_id
    ), '{}'::jsonb) AS cves,
    coalesce((
        SELECT array_agg(advisory_alias.alias ORDER BY advisory_alias.relation DESC, advisory_alias.alias ASC)
        FROM advisory_alias
        WHERE advisory_alias.advisory_id = asked.advisory_id AND advisory_alias.relation IN ('self', 'alias')
    ), '{}') AS names,
    asked.advisory_id IN (SELECT advisory_package.advisory_id FROM advisory_package) AS plannable,
    coalesce((
        SELECT jsonb_object_agg(advisory_package.package, advisory_package.phased_percentage) FROM advisory_package
        WHERE advisory_package.advisory_id = asked.advisory_id AND advisory_package.phased_percentage < 100
    ), '{}'::jsonb) AS phased
FROM asked
LEFT JOIN spans ON asked.advisory_id = spans.advisory_id
ORDER BY asked.advisory_id, package, codename
