-- Open findings on hosts that are not retired: by priority as the caller orders them, then by deadline. Each priority
-- is read along the indexes finding_open and shared_finding_open, only as far as the page needs.
SELECT
    found.finding_id,
    found.host_id,
    found.asset_group,
    found.advisory_id,
    found.source_package,
    found.installed_version,
    found.fixed_version,
    found.ecosystem,
    found.conditions,
    found.priority,
    found.score,
    found.deadline,
    found.first_seen_at,
    found.reopened_at,
    found.campaign_id,
    coalesce(decision.reasons ->> 'sentence', 'Matched, not scored yet.') AS sentence,
    coalesce(lies.places, '{}') AS places,
    coalesce(lies.in_all, 0) AS places_in_all
FROM (
    SELECT ranked.*
    FROM unnest(%(priorities)s::text[]) WITH ORDINALITY AS wanted (priority, place)
    CROSS JOIN LATERAL (
        SELECT
            finding.*,
            wanted.place
        FROM (
            (SELECT
                own.finding_id,
                own.host_id,
                own.advisory_id,
                own.source_package,
                own.installed_version,
                own.fixed_version,
                own.ecosystem,
                own.conditions,
                own.priority,
                own.score,
                own.deadline,
                own.first_seen_at,
                own.reopened_at,
                own.campaign_id,
                own.decision_id,
                host.asset_group
            FROM own_finding AS own
            INNER JOIN host ON own.host_id = host.host_id
            WHERE
                own.status = 'open'
                AND own.priority = wanted.priority
                AND host.retired_at IS NULL
                AND (%(asset_group)s::text IS NULL OR host.asset_group = %(asset_group)s)
            ORDER BY own.deadline, own.finding_id
            LIMIT %(through)s)
            UNION ALL
            (SELECT
                shared.first_id + member.place - 1 AS finding_id,
                sharer.host_id,
                shared.advisory_id,
                shared.source_package,
                shared.installed_version,
                shared.fixed_version,
                shared.ecosystem,
                shared.conditions,
                shared.priority,
                shared.score,
                shared.deadline,
                shared.first_seen_at,
                NULL::timestamptz AS reopened_at,
                NULL::text AS campaign_id,
                shared.decision_id,
                sharer.asset_group
            FROM shared_finding AS shared
            CROSS JOIN LATERAL unnest(shared.host_nos) WITH ORDINALITY AS member (host_no, place)
            INNER JOIN finding_host ON member.host_no = finding_host.host_no
            INNER JOIN host AS sharer ON finding_host.host_id = sharer.host_id
            WHERE
                shared.priority = wanted.priority
                AND sharer.retired_at IS NULL
                AND (%(asset_group)s::text IS NULL OR sharer.asset_group = %(asset_group)s)
            ORDER BY shared.deadline, shared.first_id, member.place
            LIMIT %(through)s)
        ) AS finding
        ORDER BY finding.deadline, finding.finding_id
        LIMIT %(through)s
    ) AS ranked
    ORDER BY ranked.place, ranked.deadline, ranked.finding_id
    LIMIT %(rows)s OFFSET %(skipped)s
) AS found
LEFT JOIN decision ON found.decision_id = decision.decision_id
-- Where on the host a component lies; Debian's packages have no place of their own.
LEFT JOIN LATERAL (
    SELECT
        count(*) AS in_all,
        (array_agg(host_component.location ORDER BY host_component.location))[:3] AS places
    FROM host_component
    WHERE
        found.ecosystem <> 'deb'
        AND host_component.host_id = found.host_id
        AND host_component.ecosystem = found.ecosystem
        AND coalesce(host_component.source_name, host_component.name) = found.source_package
        AND coalesce(host_component.source_version, host_component.version) = found.installed_version
        AND host_component.location <> ''
) AS lies ON TRUE
ORDER BY found.place, found.deadline, found.finding_id
