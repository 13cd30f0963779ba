"""The fleet's keys and passwords, made once a clone; what the control machine needs to reach the hosts."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from pathlib import Path

import yaml

from lab.hosts import HOSTS, groups
from lab.layout import Layout
from lab.roles import Identity


def prepare(layout: Layout) -> Identity:
    """Read what is there, make what is missing."""
    _make_key(layout.ssh_key, "suture")
    host_keys = {}
    for host in HOSTS:
        path = layout.secrets / "ssh" / "hosts" / host.name
        _make_key(path, host.name)
        host_keys[host.name] = (path.read_text("ascii"), path.with_suffix(".pub").read_text("ascii"))
    password_file = layout.secrets / "portal-database.password"
    if not password_file.exists():
        write_private(password_file, secrets.token_urlsafe(18) + "\n")
    return Identity(
        authorized_key=layout.ssh_key.with_suffix(".pub").read_text("ascii").strip(),
        host_keys=host_keys,
        database_password=password_file.read_text("ascii").strip(),
    )


def write_access(layout: Layout, identity: Identity) -> None:
    """known_hosts, the ssh configuration and the Ansible inventory."""
    lines = [f"{name} {' '.join(public.split()[:2])}\n" for name, (_, public) in identity.host_keys.items()]
    write_private(layout.known_hosts, "".join(lines))
    write_private(layout.ssh_config, _ssh_config(layout))
    layout.inventory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(layout.inventory, _inventory(layout))


def write_private(path: Path, text: str) -> None:
    """Write as one, readable by us only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_text(text, "utf-8")
    part.replace(path)


def _make_key(path: Path, comment: str) -> None:
    if path.exists() and path.with_suffix(".pub").exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)


def _ssh_config(layout: Layout) -> str:
    # ssh runs the command through a shell; `cd` keeps the socket's path short however deep the clone lies.
    relay = f"cd {shlex.quote(str(layout.run))} && exec socat - UNIX-CONNECT:ssh-$0.sock"
    command = f"sh -c {shlex.quote(relay)} %n"
    names = " ".join(host.name for host in HOSTS)
    return f"""# The practice fleet: ssh -F {layout.ssh_config} HOST
Host {names}
  User root
  IdentityFile "{layout.ssh_key}"
  IdentitiesOnly yes
  BatchMode yes
  UserKnownHostsFile "{layout.known_hosts}"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  ConnectTimeout 10
  ServerAliveInterval 5
  ServerAliveCountMax 3
  LogLevel ERROR
  ProxyCommand {command}
"""


def _inventory(layout: Layout) -> str:
    """YAML inventory: one group a role, and one an environment."""
    members = groups()
    document = {
        "all": {
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_common_args": f"-F {shlex.quote(str(layout.ssh_config))}",
                "ansible_python_interpreter": "/usr/bin/python3",
            },
            "children": {name: {"hosts": {host: {} for host in hosts}} for name, hosts in sorted(members.items())},
        }
    }
    return "# The practice fleet's inventory; written at each start of the fleet.\n" + yaml.safe_dump(document)
