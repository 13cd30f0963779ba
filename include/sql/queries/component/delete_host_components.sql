-- Those of the named ecosystems: a list of Python packages says nothing of a host's npm packages.
DELETE FROM host_component
WHERE host_id = %(host_id)s AND ecosystem = any(%(ecosystems)s)
