-- Advisories of a feed whose whole copy names them no more, while it names each of their vulnerabilities in the same
-- package and release under another fix: replaced, so withdrawn. One whose vulnerability is named nowhere else stays.
WITH said AS MATERIALIZED (
    SELECT key.advisory_id FROM jsonb_to_recordset(%(keys)s) AS key (advisory_id text)
)

UPDATE advisory SET withdrawn_at = %(now)s
WHERE
    %(complete)s
    AND advisory.withdrawn_at IS NULL
    AND advisory.details ->> 'feed' = %(source)s
    AND advisory.advisory_id NOT IN (SELECT said.advisory_id FROM said)
    AND EXISTS (SELECT 1 FROM advisory_cve WHERE advisory_cve.advisory_id = advisory.advisory_id)
    AND NOT EXISTS (
        SELECT 1
        FROM advisory_cve AS lost
        WHERE
            lost.advisory_id = advisory.advisory_id
            AND NOT EXISTS (
                SELECT 1
                FROM advisory AS other
                INNER JOIN advisory_cve AS named ON other.advisory_id = named.advisory_id
                WHERE
                    other.source = advisory.source
                    AND other.ecosystem = advisory.ecosystem
                    AND other.source_package = advisory.source_package
                    AND other.codename IS NOT DISTINCT FROM advisory.codename
                    AND other.withdrawn_at IS NULL
                    AND other.advisory_id IN (SELECT said.advisory_id FROM said)
                    AND named.cve_id = lost.cve_id
            )
    )
