"""Restart the services that still run replaced files, as a job under the host's lock.

sshd is asked first whether its configuration is valid (`sshd -t`), and open connections outlive it. Returns
{restarted, deferred, left}.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_job, suture_restarts
from ansible.module_utils.basic import AnsibleModule


def steps_for(processes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    units = sorted({process["unit"] for process in processes if process["unit"] and process["pid"] != 1})
    if any(process["pid"] == 1 for process in processes):
        steps.append({"name": "systemctl daemon-reexec", "argv": ["systemctl", "daemon-reexec"]})
    for unit in units:
        if unit in ("ssh.service", "sshd.service"):
            steps.append({"name": "sshd -t", "argv": ["/usr/sbin/sshd", "-t"]})
        steps.append({"name": f"restart {unit}", "argv": ["systemctl", "restart", "--", unit]})
    return steps


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "token": {"type": "int", "required": True},
            "packages": {"type": "list", "elements": "str", "default": []},
        }
    )
    started = time.monotonic()
    try:
        suture_job.require_token(module.params["token"])
        owned = host.files_of(module.params["packages"])
        found = suture_restarts.triage(owned)
        steps = steps_for(found["restart"])
        if steps:
            host.run_job("restart", module.params["token"], steps, 300)
            time.sleep(0.5)
        left = suture_restarts.triage(owned) if steps else found
    except (host.HostError, suture_job.StaleTokenError, OSError) as error:
        module.fail_json(msg="Services could not be restarted: {}.".format(str(error).rstrip(".")))
    module.exit_json(
        changed=bool(steps),
        restarted=[step["name"] for step in steps],
        deferred=left["deferred"],
        left=left["restart"],
        seconds=round(time.monotonic() - started, 3),
    )


if __name__ == "__main__":
    main()
