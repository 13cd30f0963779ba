"""An ssh configuration for hosts of the inventory, for programs that speak ssh themselves (the staging tests)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from suture.runner.inventory import InventoryError, InventoryHost

_DIRECT = {
    "ansible_host": "HostName",
    "ansible_user": "User",
    "ansible_port": "Port",
    "ansible_ssh_private_key_file": "IdentityFile",
}


def ssh_config(hosts: Iterable[InventoryHost]) -> str:
    """Text for `ssh -F`. Raises InventoryError for ssh arguments other than `-F FILE`, `-i FILE` and `-o KEY=VALUE`."""
    lines = []
    for host in hosts:
        lines.append(f"Host {host.name}")
        included = []
        for name, keyword in _DIRECT.items():
            if name in host.variables:
                lines.append(f"  {keyword} {_quoted(host, host.variables[name])}")
        for option, value in _arguments(host):
            if option == "-F":
                included.append(f"  Include {_quoted(host, value)}")
            elif option == "-i":
                lines.append(f"  IdentityFile {_quoted(host, value)}")
            else:
                keyword, _, rest = value.partition("=")
                lines.append(f"  {keyword} {_plain(host, rest)}")
        lines += included
    return "\n".join(lines) + "\n"


def _arguments(host: InventoryHost) -> list[tuple[str, str]]:
    words = shlex.split(str(host.variables.get("ansible_ssh_common_args", "")))
    found = []
    while words:
        option, *words = words
        if option not in ("-F", "-i", "-o") or not words:
            raise InventoryError(
                f"{host.name}: the ssh argument {option!r} is not understood here.",
                remedy="In ansible_ssh_common_args use -F FILE, -i FILE and -o KEY=VALUE only.",
            )
        value, *words = words
        found.append((option, value))
    return found


def _quoted(host: InventoryHost, value: object) -> str:
    text = _plain(host, value)
    return f'"{text}"' if " " in text else text


def _plain(host: InventoryHost, value: object) -> str:
    text = str(value)
    if any(character in text for character in "\r\n\x00"):
        raise InventoryError(f"{host.name}: a value for ssh may not hold a line break.")
    return text
