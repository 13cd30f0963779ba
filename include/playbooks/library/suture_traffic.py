"""Requests of this host's access log, masked here: what could be a secret does not leave the host. Changes nothing.

Returns {traffic: {...}}, see include/schemas/reports/traffic.schema.json.
"""

from __future__ import annotations

import os

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_traffic_mask as masking
from ansible.module_utils import suture_traffic_record as recording
from ansible.module_utils.basic import AnsibleModule

LINES_A_REQUEST = 5  # of the log for one that is kept: other methods, other frontends, other messages
TAIL_BYTES = 64 * 1024 * 1024
REPORT_BYTES = 6 * 1024 * 1024  # the control machine takes 8 MiB


def journal(unit: str, seconds: int, lines: int) -> list[str]:
    """The newest lines, in their order. Read backwards: from --since on, systemd 252 would give the oldest."""
    arguments = ["--unit", unit, "--since", f"-{seconds}s", "--lines", str(lines), "--reverse"]
    return host.run(["journalctl", "--quiet", "--no-pager", "--output=cat", *arguments]).splitlines()[::-1]


def tail(path: str, lines: int) -> list[str]:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
        return file.read(TAIL_BYTES).decode("utf-8", "replace").splitlines()[-lines:]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "journal": {"type": "str"},
            "file": {"type": "path"},
            "format": {"choices": ["haproxy_http", "combined"], "required": True},
            "frontend": {"type": "str"},
            "captured_headers": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "int", "required": True},
            "most": {"type": "int", "required": True},
            "methods": {"type": "list", "elements": "str", "required": True},
            "keep_query": {"type": "list", "elements": "str", "default": []},
            "keep_headers": {"type": "list", "elements": "str", "default": []},
        },
        required_one_of=[["journal", "file"]],
        supports_check_mode=True,
    )
    values = module.params

    def mask(target: str, headers: dict[str, str]) -> tuple[str, str, dict[str, str]]:
        path, query = masking.mask_target(target, values["keep_query"])
        return path, query, masking.mask_headers(headers, values["keep_headers"])

    lines = values["most"] * LINES_A_REQUEST
    try:
        text = (
            journal(values["journal"], values["seconds"], lines) if values["journal"] else tail(values["file"], lines)
        )
        requests, read, unreadable = recording.record(
            text,
            mask,
            kind=values["format"],
            most=values["most"],
            methods=values["methods"],
            frontend=values["frontend"] or None,
            captured=values["captured_headers"],
        )
    except (host.HostError, OSError) as error:
        module.fail_json(msg="The access log cannot be read: {}.".format(str(error).rstrip(".")))
    while len(module.jsonify(requests)) > REPORT_BYTES:
        requests = requests[: len(requests) // 2]
    module.exit_json(
        changed=False,
        traffic={"taken_at": host.now(), "requests": requests, "read": read, "unreadable": unreadable},
    )


if __name__ == "__main__":
    main()
