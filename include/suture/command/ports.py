"""Ports: derived from where the clone lies, and free when first chosen.

The rules:

- A block of ports starts at a base between 20000 and 31990 that is a digest of the state folder's path, so
  that two clones on one machine do not meet, and one clone keeps its address. (The kernel hands out ephemeral
  ports from 32768.)
- A port that is taken when the settings are first made is skipped; what was chosen is then remembered.
- A remembered port that is taken later is an error that names the process that holds it: moving silently
  would leave people with an address that no longer answers.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from suture.errors import BadInputError, SutureError

LOOPBACK = "127.0.0.1"
FIRST_BASE = 20_000
LAST_BASE = 31_990
BLOCK_SIZE = 10  # ports between two clones' bases: room to grow without moving anybody


class PortTakenError(SutureError):
    """Something else listens on a port that Suture is set to use."""

    def __init__(self, name: str, port: int, holder: str) -> None:
        super().__init__(
            f"Port {port} ({name}) on {LOOPBACK} is taken by {holder}.",
            remedy=f"End that process, or give Suture another port: ./suture up --set {name}_port=N.",
        )
        self.name = name
        self.port = port
        self.holder = holder


def derived_base(home: Path) -> int:
    """The first port of the block that belongs to the state folder `home`."""
    digest = hashlib.sha256(str(home.absolute()).encode()).digest()
    blocks = (LAST_BASE - FIRST_BASE) // BLOCK_SIZE + 1
    return FIRST_BASE + int.from_bytes(digest[:4], "big") % blocks * BLOCK_SIZE


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now.

    TIME_WAIT does not count as taken, as servers set SO_REUSEADDR.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def checked_port(text: str | int, name: str = "port") -> int:
    """`text` as a port number. Raises BadInputError."""
    try:
        port = int(text)
    except (TypeError, ValueError):
        raise BadInputError(f"{name}={text!r} is not a port: it must be a number from 1024 to 65535.") from None
    if not 1024 <= port <= 65535:
        raise BadInputError(f"{name}={port} is not a usable port: it must be between 1024 and 65535.")
    return port


def choose(
    names: Iterable[str], base: int, *, avoid: Iterable[int] = (), free: Callable[[int], bool] = is_free
) -> dict[str, int]:
    """One free port per name, from `base` upwards, leaving out taken ones and those in `avoid`."""
    chosen: dict[str, int] = {}
    used = set(avoid)
    port = base
    for name in names:
        while port in used or not free(port):
            port += 1
            if port > base + 1000 or port > 65535:
                raise SutureError(
                    f"No free port was found for {name} between {base} and {port - 1}.",
                    remedy="Choose another range: ./suture up --port-base N.",
                )
        chosen[name] = port
        used.add(port)
    return chosen


def pids_on(port: int) -> list[int]:
    """The processes that listen on the port, as far as we may see them. Never raises."""
    return sorted({connection.pid for connection in _listeners(port) if connection.pid})


def holder_of(port: int) -> str:
    """Who listens on the port, in words: `nginx (process 4711, user www-data: …)`. Never raises."""
    import psutil

    pids = pids_on(port)
    if not pids:
        return "a process of another user (run as root to see which)" if _listeners(port) else "an unknown process"
    try:
        process = psutil.Process(pids[0])
        command = " ".join(process.cmdline()[:3]) or process.name()
        return f"{process.name()} (process {process.pid}, user {process.username()}: {command})"
    except psutil.Error:
        return f"process {pids[0]}"


def _listeners(port: int) -> list[Any]:
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return []
    return [
        connection
        for connection in connections
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
    ]


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTakenError, naming the holder, for the first port that cannot be listened on."""
    for name, port in ports.items():
        if not is_free(port):
            raise PortTakenError(name, port, holder_of(port))
