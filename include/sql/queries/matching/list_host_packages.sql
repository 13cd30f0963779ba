-- What some hosts have, as ecosystem/package.
SELECT DISTINCT installed.ecosystem || '/' || installed.source_package AS package
FROM installed_component AS installed
WHERE installed.host_id = any(%(host_ids)s::text[])
