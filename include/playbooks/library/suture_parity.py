"""What makes a host like another: packages, configuration, units, ports, flows, dependencies. Changes nothing.

A file's content never leaves the host: what is handed over is an HMAC-SHA-256 with the run's own key, which nobody keeps,
so that a short password cannot be guessed from its hash. Before that, names and addresses of the host's own environment are
replaced by their roles (`tokens`): a file that names its database is the same on staging and in production, and one on
staging that names production's database is not. Returns {parity: {...}}, see include/schemas/reports/parity.schema.json.
"""

from __future__ import annotations

import glob
import grp
import hashlib
import hmac
import json
import os
import pwd
import re
import socket
import stat
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_sockets as sockets
from ansible.module_utils.basic import AnsibleModule

READ_WHOLE_BYTES = 4 * 1024 * 1024  # a larger file is hashed as it is, without replacing names
FILES_AT_MOST = 5000
CONNECT_SECONDS = 3.0
CONNECT_TRIES = 3  # a database that restarts is away for a moment
_FORMAT = "${binary:Package}\t${Version}\t${db:Status-Abbrev}\t${Pre-Depends}, ${Depends}\t${Provides}\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_WANTED_TYPES = ("service", "socket", "timer")
_STEADY = ("running", "listening", "waiting")


def packages() -> dict[str, dict[str, Any]]:
    """{name: {version, depends, provides}} of what is fully installed; alternatives all count as dependencies."""
    found: dict[str, dict[str, Any]] = {}
    for line in host.run(["dpkg-query", "-W", "-f", _FORMAT]).splitlines():
        values = line.split("\t")
        if len(values) == 5 and values[2][1:2] == "i":
            found[values[0].split(":")[0]] = {
                "version": values[1],
                "depends": _names(values[3]),
                "provides": _names(values[4]),
            }
    return found


def _names(field: str) -> list[str]:
    matches = (_NAME.match(part.strip()) for part in re.split(r"[,|]", field))
    return sorted({match.group(0) for match in matches if match})


def conffiles() -> list[str]:
    lines = host.run(["dpkg-query", "-W", "-f", "${Conffiles}\n"]).splitlines()
    return sorted({line.split()[0] for line in lines if line.startswith(" /") and not line.endswith(" obsolete")})


def addresses_of(name: str) -> list[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except OSError:
        return []


def replacer(tokens: dict[str, str], known: dict[str, str]) -> Any:
    """A function bytes → bytes that puts roles for names and for their addresses, where they stand as whole words."""
    table: dict[bytes, bytes] = {}
    for name, token in tokens.items():
        word = b"<" + token.encode() + b">"
        table[name.encode()] = word
        for address in {*addresses_of(name), known.get(name, "")} - {"", "127.0.0.1", "::1"}:
            table.setdefault(address.encode(), word)
    if not table:
        return lambda content: content
    longest_first = sorted(table, key=len, reverse=True)
    pattern = re.compile(rb"(?<![\w.-])(?:" + b"|".join(map(re.escape, longest_first)) + rb")(?![\w-]|\.\w)")
    return lambda content: pattern.sub(lambda match: table[match.group(0)], content)


def files(patterns: list[str], key: bytes, replace: Any) -> dict[str, str]:
    """{path: "mode owner:group hash"}, or what else is there (`link to …`, `absent` for a conffile that was removed)."""
    paths = set(conffiles())
    for pattern in patterns:
        paths.update(path for path in glob.glob(pattern) if not os.path.isdir(path))
    if len(paths) > FILES_AT_MOST:
        raise host.HostError(f"{len(paths)} configuration files; at most {FILES_AT_MOST} are compared")
    return {path: _file(path, key, replace) for path in sorted(paths)}


def _file(path: str, key: bytes, replace: Any) -> str:
    try:
        entry = os.lstat(path)
        if stat.S_ISLNK(entry.st_mode):
            return "link to " + os.readlink(path)
        if not stat.S_ISREG(entry.st_mode):
            return "no regular file"
        digest = hmac.new(key, b"", hashlib.sha256)
        with open(path, "rb") as file:
            if entry.st_size <= READ_WHOLE_BYTES:
                digest.update(replace(file.read(READ_WHOLE_BYTES + 1)))
            else:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
    except FileNotFoundError:
        return "absent"
    return f"{stat.S_IMODE(entry.st_mode):04o} {_user(entry.st_uid)}:{_group(entry.st_gid)} {digest.hexdigest()[:32]}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def units() -> dict[str, str]:
    """{unit: "enabled, running"}: how it starts, and whether it is at work (a one-shot unit that has ended is at rest)."""
    if not os.path.isdir("/run/systemd/system"):
        return {}
    kinds = "--type=" + ",".join(_WANTED_TYPES)
    listed = json.loads(host.run(["systemctl", "list-unit-files", kinds, "--output=json", "--no-pager"]))
    states = {unit["unit_file"]: unit["state"] for unit in listed if unit["state"] not in ("generated", "transient")}
    loaded = json.loads(host.run(["systemctl", "list-units", kinds, "--all", "--output=json", "--no-pager"]))
    found: dict[str, str] = {}
    working: dict[str, str] = {}
    for unit in loaded:
        if unit["load"] == "loaded" and (unit["sub"] in _STEADY or unit["active"] == "failed"):
            working[unit["unit"]] = "failed" if unit["active"] == "failed" else unit["sub"]
    for name, state in states.items():
        if "@." not in name:
            found[name] = f"{state}, {working.get(name, 'at rest')}"
    for name, state in working.items():  # instances of templates: their file is the template's
        template = name.split("@")[0] + "@." + name.rsplit(".", 1)[1]
        if name not in found and template in states:
            found[name] = f"{states[template]}, {state}"
    return found


def dependencies(names: list[str]) -> dict[str, list[str]]:
    """{unit: the units that it requires, wants or is bound to}, of the services' own units."""
    found = {}
    for name in names:
        output = host.run(
            ["systemctl", "show", "--property=Requires,Wants,BindsTo,Requisite", "--", name], accepted=None
        )
        found[name] = sorted({word for line in output.splitlines() for word in line.partition("=")[2].split()})
    return found


def reached(flow: dict[str, Any]) -> dict[str, Any]:
    """One declared flow: whether a connection to each of its hosts can be made. {reached, detail}."""
    for upstream in flow["hosts"]:
        why = _connect(upstream["host"], upstream.get("address"), int(flow["port"]))
        if why:
            return {"reached": False, "detail": f"{upstream['host']}: {why}"[:200]}
    return {"reached": True, "detail": ""}


def _connect(name: str, address: str | None, port: int) -> str:
    """Why no connection could be made; "" when one was."""
    why = "its name is not known here"
    for candidate in addresses_of(name) or [a for a in [address] if a]:
        for _ in range(CONNECT_TRIES):
            try:
                with socket.create_connection((candidate, port), timeout=CONNECT_SECONDS):
                    return ""
            except OSError as error:
                why = error.strerror or str(error) or "no answer"
    return why


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "key": {"type": "str", "required": True, "no_log": True},
            "configuration": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "flows": {"type": "list", "elements": "dict", "default": []},
            "tokens": {"type": "dict", "default": {}},
            "addresses": {"type": "dict", "default": {}},
            "foreign": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    values = module.params
    try:
        foreign = {address: name for name in values["foreign"] for address in addresses_of(name)}
        replace = replacer(values["tokens"], values["addresses"])
        found = {
            "taken_at": host.now(),
            "packages": packages(),
            "files": files(values["configuration"], bytes.fromhex(values["key"]), replace),
            "units": units(),
            "ports": sockets.listening(),
            "flows": {flow["name"]: reached(flow) for flow in values["flows"]},
            "dependencies": dependencies(values["units"]),
            "foreign": sockets.connections_to(foreign),
        }
    except (host.HostError, OSError, ValueError) as error:
        module.fail_json(msg="The facts for parity cannot be read: {}.".format(str(error).rstrip(".")))
    module.exit_json(changed=False, parity=found)


if __name__ == "__main__":
    main()
