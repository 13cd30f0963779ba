"""The packages of other ecosystems than Debian's that lie on a host. Changes nothing, runs nothing that it finds.

Returns {components: {...}}, the shape of `components` in include/schemas/reports/collect_inventory.schema.json.
"""

from __future__ import annotations

from ansible.module_utils import suture_component_files as files
from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "roots": {"type": "list", "elements": "str", "required": True},
    "ecosystems": {"type": "list", "elements": "str", "required": True},
    "max_depth": {"type": "int", "required": True},
    "max_entries": {"type": "int", "required": True},
    "max_components": {"type": "int", "required": True},
    "max_seconds": {"type": "float", "required": True},
    "max_file_bytes": {"type": "int", "required": True},
    "max_archive_bytes": {"type": "int", "required": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    bounds = files.Bounds(**{name: module.params[name] for name in files.Bounds._fields})
    found = files.Search(module.params["ecosystems"], bounds).run(module.params["roots"])
    module.exit_json(changed=False, components=found)


if __name__ == "__main__":
    main()
