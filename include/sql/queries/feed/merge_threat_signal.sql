-- The latest version of an object counts, and what was revoked stays so (STIX 2.1, 3.6).
INSERT INTO threat_signal (
    source, signal_id, kind, name, cve_ids, pattern, pattern_type, labels, source_ref, relation,
    target_ref, sighted_count, confidence, valid_from, valid_until, created_at, modified_at, revoked,
    snapshot_id
)
SELECT
    row.source,
    row.signal_id,
    row.kind,
    row.name,
    array(SELECT jsonb_array_elements_text(coalesce(row.cve_ids, '[]'::jsonb))) AS cve_ids,
    row.pattern,
    row.pattern_type,
    array(SELECT jsonb_array_elements_text(coalesce(row.labels, '[]'::jsonb))) AS labels,
    row.source_ref,
    row.relation,
    row.target_ref,
    row.sighted_count,
    row.confidence,
    row.valid_from,
    row.valid_until,
    row.created_at,
    row.modified_at,
    row.revoked,
    %(snapshot_id)s
FROM
    jsonb_to_recordset(%(rows)s)
        AS row (
            source text,
            signal_id text,
            kind text,
            name text,
            cve_ids jsonb,
            pattern text,
            pattern_type text,
            labels jsonb,
            source_ref text,
            relation text,
            target_ref text,
            sighted_count integer,
            confidence integer,
            valid_from timestamptz,
            valid_until timestamptz,
            created_at timestamptz,
            modified_at timestamptz,
            revoked boolean
        )
ON CONFLICT (source, signal_id) DO UPDATE
    SET
        kind = excluded.kind,
        name = excluded.name,
        cve_ids = excluded.cve_ids,
        pattern = excluded.pattern,
        pattern_type = excluded.pattern_type,
        labels = excluded.labels,
        source_ref = excluded.source_ref,
        relation = excluded.relation,
        target_ref = excluded.target_ref,
        sighted_count = excluded.sighted_count,
        confidence = excluded.confidence,
        valid_from = excluded.valid_from,
        valid_until = excluded.valid_until,
        created_at = excluded.created_at,
        modified_at = excluded.modified_at,
        revoked = excluded.revoked,
        snapshot_id = excluded.snapshot_id
    WHERE
    NOT threat_signal.revoked
    AND (threat_signal.modified_at IS NULL OR excluded.modified_at >= threat_signal.modified_at)
    AND (
        threat_signal.kind,
        threat_signal.name,
        threat_signal.cve_ids,
        threat_signal.pattern,
        threat_signal.pattern_type,
        threat_signal.labels,
        threat_signal.source_ref,
        threat_signal.relation,
        threat_signal.target_ref,
        threat_signal.sighted_count,
        threat_signal.confidence,
        threat_signal.valid_from,
        threat_signal.valid_until,
        threat_signal.created_at,
        threat_signal.modified_at,
        threat_signal.revoked
    ) IS DISTINCT FROM (
        excluded.kind,
        excluded.name,
        excluded.cve_ids,
        excluded.pattern,
        excluded.pattern_type,
        excluded.labels,
        excluded.source_ref,
        excluded.relation,
        excluded.target_ref,
        excluded.sighted_count,
        excluded.confidence,
        excluded.valid_from,
        excluded.valid_until,
        excluded.created_at,
        excluded.modified_at,
        excluded.revoked
    )
