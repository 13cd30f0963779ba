"""Sockets of a host, from /proc (Linux 2.6 and later): which ports are listened on and by whom, and who speaks to whom."""

from __future__ import annotations

import glob
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from ansible.module_utils import suture_host as host

TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
LISTEN, ESTABLISHED, UDP_OPEN = "0A", "01", "07"


KERNEL = "the kernel"


def listening() -> dict[str, str]:
    """{"tcp/8081 any": unit or command}. Addresses are `any`, `loopback` or `own`; UDP ports out of the ephemeral range only."""
    found = _listening()
    if KERNEL in found.values():  # or of a service that began between the look at processes and the one at sockets
        found = _listening()
    return found


def _listening() -> dict[str, str]:
    first_ephemeral = _first_ephemeral()
    owners = _owners()
    found: dict[str, str] = {}
    for protocol, state in (("tcp", LISTEN), ("udp", UDP_OPEN)):
        for row in _rows(protocol):
            if row["state"] != state or (protocol == "udp" and row["port"] >= first_ephemeral):
                continue
            key = f"{protocol}/{row['port']} {_scope(row['address'])}"
            owner = owners.get(row["inode"], KERNEL)
            if owner != "init.scope" or key not in found:  # a socket unit's port is held by systemd as well
                found[key] = owner
    return dict(sorted(found.items()))


def connections_to(addresses: dict[str, str]) -> list[dict[str, Any]]:
    """Connections that this host has opened to these addresses ({address: name}): [{host, port, owner}]."""
    if not addresses:
        return []
    rows = list(_rows("tcp"))
    served = {row["port"] for row in rows if row["state"] == LISTEN}
    owners = _owners()
    found = {
        (addresses[row["peer"]], row["peer_port"], owners.get(row["inode"], "a process that has ended"))
        for row in rows
        if row["state"] == ESTABLISHED and row["peer"] in addresses and row["port"] not in served
    }
    return [{"host": name, "port": port, "owner": owner} for name, port, owner in sorted(found)]


def _rows(protocol: str) -> Iterator[dict[str, Any]]:
    for table in TABLES[protocol]:
        try:
            with open(f"/proc/net/{table}") as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            continue  # no IPv6
        for line in lines:
            columns = line.split()
            address, port = _endpoint(columns[1])
            peer, peer_port = _endpoint(columns[2])
            yield {
                "address": address,
                "port": port,
                "peer": peer,
                "peer_port": peer_port,
                "state": columns[3],
                "inode": columns[9],
            }


def _endpoint(text: str) -> tuple[str, int]:
    raw, _, port = text.partition(":")
    words = [struct.pack("=I", int(raw[i : i + 8], 16)) for i in range(0, len(raw), 8)]
    packed = b"".join(words)
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    address = ipaddress.ip_address(socket.inet_ntop(family, packed))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)


def _scope(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    return "any" if parsed.is_unspecified else "loopback" if parsed.is_loopback else "own"


def _first_ephemeral() -> int:
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        return int(file.read().split()[0])


def _owners() -> dict[str, str]:
    """{socket's inode: the unit (or the command) that holds it}."""
    found: dict[str, str] = {}
    for folder in glob.glob("/proc/[0-9]*"):
        opened = [_opened(link) for link in glob.glob(folder + "/fd/*")]
        held = [target[8:-1] for target in opened if target.startswith("socket:[")]
        if held:
            owner = host.unit_of(folder) or _command(folder)
            for inode in held:
                if found.get(inode) in (None, "init.scope"):
                    found[inode] = owner
    return found


def _opened(link: str) -> str:
    """What a descriptor is open on; "" when it was closed meanwhile, as a server's are all the time."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _command(folder: str) -> str:
    if folder == "/proc/1":
        return "init.scope"
    try:
        with open(folder + "/comm") as file:
            return file.read().strip()
    except OSError:
        return "a process that has ended"
