-- Every distinct version that hosts have.
INSERT INTO work_installed (ecosystem, source_package, source_version, os_codename, os_id)
SELECT DISTINCT
    ecosystem,
    source_package,
    unnest(versions) AS source_version,
    os_codename,
    os_id
FROM holding
