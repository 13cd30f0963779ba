INSERT INTO advisory_range (
    advisory_id, range_key, source, record_id, ecosystem, package, codename, module, kind, introduced, fixed,
    last_affected, limit_before, versions, state, cve_ids, snapshot_id
)
SELECT
    row.advisory_id,
    row.range_key,
    row.source,
    row.record_id,
    row.ecosystem,
    row.package,
    row.codename,
    coalesce(row.module, '') AS module,
    row.kind,
    row.introduced,
    row.fixed,
    row.last_affected,
    row.limit_before,
    array(SELECT jsonb_array_elements_text(coalesce(row.versions, '[]'::jsonb))) AS versions,
    row.state,
    array(SELECT jsonb_array_elements_text(coalesce(row.cve_ids, '[]'::jsonb))) AS cve_ids,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            advisory_id text,
            range_key text,
            source text,
            record_id text,
            ecosystem text,
            package text,
            codename text,
            module text,
            kind text,
            introduced text,
            fixed text,
            last_affected text,
            limit_before text,
            versions jsonb,
            state text,
            cve_ids jsonb
        )
ON CONFLICT (advisory_id, range_key) DO UPDATE
    SET
        source = excluded.source,
        record_id = excluded.record_id,
        ecosystem = excluded.ecosystem,
        package = excluded.package,
        codename = excluded.codename,
        module = excluded.module,
        kind = excluded.kind,
        introduced = excluded.introduced,
        fixed = excluded.fixed,
        last_affected = excluded.last_affected,
        limit_before = excluded.limit_before,
        versions = excluded.versions,
        state = excluded.state,
        cve_ids = excluded.cve_ids,
        snapshot_id = excluded.snapshot_id
    WHERE
    (
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
    ) IS DISTINCT FROM (
        excluded.source,
        excluded.record_id,
        excluded.ecosystem,
        excluded.package,
        excluded.codename,
        excluded.module,
        excluded.kind,
        excluded.introduced,
        excluded.fixed,
        excluded.last_affected,
        excluded.limit_before,
        excluded.versions,
        excluded.state,
        excluded.cve_ids
    )
