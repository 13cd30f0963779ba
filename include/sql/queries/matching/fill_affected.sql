INSERT INTO work_affected (ecosystem, source_package, source_version, os_codename, version_no)
SELECT DISTINCT
    ecosystem,
    source_package,
    source_version,
    os_codename,
    version_no
FROM work_pair
