"""Claim or check this host's lease: the fencing token that every mutating step must carry.

`claim` waits for the host's lock (so for a job that still runs under an older token) and then stores the token; a token
older than the stored one is refused. `check` only refuses. Returns {token, holder, waited_seconds}.
"""

from __future__ import annotations

import json
import os
import time

from ansible.module_utils import suture_job
from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "token": {"type": "int", "required": True},
            "state": {"choices": ["claimed", "checked"], "default": "claimed"},
            "holder": {"type": "str", "default": ""},
            "campaign_id": {"type": "str"},
            "wait_seconds": {"type": "int", "default": 900},
        }
    )
    values = module.params
    started = time.monotonic()
    try:
        if values["state"] == "checked":
            suture_job.require_token(values["token"])
            module.exit_json(changed=False, token=values["token"])
        os.makedirs(suture_job.STATE, mode=0o700, exist_ok=True)
        with suture_job.HostLock(values["wait_seconds"]):
            stored = suture_job.read_lease()
            if stored["token"] > values["token"]:
                raise suture_job.StaleTokenError(
                    f"token {values['token']} is refused: this host knows token {stored['token']} of {stored['holder']}"
                )
            changed = stored["token"] != values["token"]
            if changed:
                lease = {name: values[name] for name in ("token", "holder", "campaign_id")}
                suture_job.write_atomically(suture_job.lease_path(), json.dumps(lease))
    except (suture_job.StaleTokenError, suture_job.LockBusyError) as error:
        module.fail_json(
            msg=f"The lease does not hold: {error}. A newer run holds the host; where there is none (a warehouse that was"
            " set up anew), inventory_sync learns the host's token and the next try is above it."
        )
    module.exit_json(changed=changed, token=values["token"], waited_seconds=round(time.monotonic() - started, 3))


if __name__ == "__main__":
    main()
