"""Fence a host off: nothing in or out but ssh with the control machine that asks (and loopback). Or open it again.

The rules stand in an nftables table of their own, loaded in one transaction. The control machine's address is the one this
connection came from. Stateless on purpose: no connection tracking is needed. Returns {fenced, control}.
"""

from __future__ import annotations

import ipaddress
import os
import subprocess

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_job
from ansible.module_utils.basic import AnsibleModule

TABLE = "suture_fence"
RULES = """
table inet {table} {{
  chain input {{
    type filter hook input priority -200; policy drop;
    iifname "lo" accept
    {family} saddr {control} tcp dport {port} accept
    meta l4proto {{ icmpv6 }} accept
  }}
  chain output {{
    type filter hook output priority -200; policy drop;
    oifname "lo" accept
    {family} daddr {control} tcp sport {port} accept
    meta l4proto {{ icmpv6 }} accept
  }}
}}
"""


def is_fenced() -> bool:
    done = subprocess.run(["nft", "list", "table", "inet", TABLE], capture_output=True, check=False)
    return done.returncode == 0


def control_side() -> tuple[str, int]:
    """(the control machine's address as seen from here, our ssh port), from sshd's own word."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    if len(words) != 4:
        raise host.HostError("this connection is not ssh: who may pass the fence is not known")
    return str(ipaddress.ip_address(words[0])), int(words[3])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["fenced", "open"], "required": True},
            "token": {"type": "int", "required": True},
        }
    )
    wanted = module.params["state"] == "fenced"
    control: str | None = None
    try:
        suture_job.require_token(module.params["token"])
        before = is_fenced()
        if wanted and not before:
            control, port = control_side()
            family = "ip6" if ":" in control else "ip"
            rules = RULES.format(table=TABLE, family=family, control=control, port=port)
            loaded = subprocess.run(
                ["nft", "-f", "-"],
                input=rules.encode(),
                capture_output=True,
                check=False,
            )
            if loaded.returncode != 0:
                raise host.HostError("nft refused the fence: " + loaded.stderr.decode("utf-8", "replace")[:300])
        elif not wanted and before:
            host.run(["nft", "delete", "table", "inet", TABLE])
    except (host.HostError, suture_job.StaleTokenError, OSError, ValueError) as error:
        module.fail_json(msg="The fence could not be set: {}.".format(str(error).rstrip(".")))
    module.exit_json(changed=wanted != before, fenced=wanted, control=control)


if __name__ == "__main__":
    main()
