"""Fence a host off: nothing in or out but ssh with the control machine that asks (and loopback). Or open it again.

The rules stand in an nftables table of their own, loaded in one transaction. The control machine's address is the
one this connection came from. Stateless on purpose: no connection tracking is needed. Returns {fenced, control}.
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
    {accept_in}
    meta l4proto {{ icmpv6 }} accept
  }}
  chain output {{
    type filter hook output priority -200; policy drop;
    oifname "lo" accept
    {accept_out}
    meta l4proto {{ icmpv6 }} accept
  }}
}}
"""


def is_fenced() -> bool:
    done = subprocess.run(["nft", "list", "table", "inet", TABLE], capture_output=True, check=False)
    return done.returncode == 0


def control_side() -> tuple[str, int] | None:
    """(the control machine's address as seen from here, our ssh port), from sshd's own word.

    None when ssh comes in by a local socket: then no address needs to pass the fence.
    """
    words = os.environ.get("SSH_CONNECTION", "").split()
    if len(words) != 4:
        raise host.HostError("this connection is not ssh: who may pass the fence is not known")
    if words[0] == "UNKNOWN":
        return None
    return str(ipaddress.ip_address(words[0])), int(words[3])


def rules_for(side: tuple[str, int] | None) -> str:
    if side is None:
        return RULES.format(table=TABLE, accept_in="", accept_out="")
    address, port = side
    family = "ip6" if ":" in address else "ip"
    return RULES.format(
        table=TABLE,
        accept_in=f"{family} saddr {address} tcp dport {port} accept",
        accept_out=f"{family} daddr {address} tcp sport {port} accept",
    )


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
            side = control_side()
            control = side[0] if side else "a local socket"
            rules = rules_for(side)
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
