-- What the host has no more of the ecosystems that its list is for; the caller names each row.
DELETE FROM host_component
USING jsonb_to_recordset(%(keys)s) AS gone (ecosystem text, name text, version text, location text)
WHERE
    host_component.host_id = %(host_id)s
    AND host_component.ecosystem = gone.ecosystem
    AND host_component.name = gone.name
    AND host_component.version = gone.version
    AND host_component.location = gone.location
