"""Replaying recorded requests on staging: in their order, with the times between them, however slow the answers are.

The rules:

1. An open model: each request is due at its own time (divided by the speed) and waits for no answer. Its latency counts from
   when it was due, so that a server that stalls cannot hide it (no coordinated omission).
2. A request is sent once. Redirects are not followed, nothing is tried again; no answer is an answer of the class `none`.
3. Only the policy's methods are sent, the others' bodies come from the policy; a recorded request that is of another method
   is left out, and counted.
4. A replay that this machine could not send on time is no measurement: require_on_time() refuses it.
5. The entry is reached through ssh to the staging host, so nothing has to be opened; this machine's end is on loopback.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from suture.errors import SutureError
from suture.runner.inventory import InventoryHost
from suture.runner.ssh import ssh_config
from suture.staging.traffic_mask import MASKED

PATIENCE_SECONDS = 20.0
LAG_SECONDS = 0.5  # 5 % of the requests sent later than this: this machine was too busy to say anything of another
TUNNEL_SECONDS = 20.0
CONNECTIONS = 100
BODY_BYTES = 4 * 1024 * 1024  # of an answer; the rest is not read
NO_ANSWER = "none"


class TrafficError(SutureError):
    """Traffic could not be recorded or replayed: nothing is said about the patch."""


class TrafficUnavailableError(TrafficError):
    """A host or its entry did not answer. Trying again may help."""

    retryable = True


@dataclass(frozen=True)
class Request:
    """One to be sent. due_seconds: from the beginning of the replay. body None: none is sent."""

    due_seconds: float
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None

    @property
    def route(self) -> str:
        return f"{self.method} {route_of(self.target)}"


@dataclass(frozen=True)
class Answer:
    """kind: 1xx to 5xx, or `none`. latency_ms: from when the request was due. lag_ms: how late it was sent."""

    route: str
    kind: str
    latency_ms: float
    lag_ms: float = 0.0


def route_of(target: str) -> str:
    """The path with numbers and masked parts as `{}`: what a service calls one route."""
    path = target.partition("?")[0]
    return "/".join("{}" if part.isdigit() or part.startswith(MASKED) else part for part in path.split("/"))


def requests_of(
    recorded: Sequence[Mapping[str, Any]],
    *,
    methods: Sequence[str],
    bodies: Mapping[tuple[str, str], tuple[str, str]],
    speed: float,
) -> tuple[list[Request], int]:
    """(what is to be sent, how many were left out) of a record (traffic_record.record)."""
    found, left_out = [], 0
    for one in recorded:
        body = bodies.get((one["method"], one["path"]))
        needs_body = one["method"] not in ("GET", "HEAD", "OPTIONS")
        if one["method"] not in methods or (needs_body and body is None):
            left_out += 1
            continue
        target = f"{one['path']}?{one['query']}" if one["query"] else one["path"]
        headers = dict(one["headers"])
        if body is not None and needs_body:
            headers["content-type"] = body[0]
        content = body[1].encode() if body is not None and needs_body else None
        found.append(Request(one["offset_ms"] / 1000 / speed, one["method"], target, headers, content))
    return found, left_out


def replay(requests: Sequence[Request], address: str, port: int, *, host_header: str) -> list[Answer]:
    """Send them to an address, in real time. In the order in which they were due. Raises nothing for a failed request."""
    return asyncio.run(_replay(requests, f"http://{address}:{port}", host_header))


async def _replay(requests: Sequence[Request], base: str, host_header: str) -> list[Answer]:
    async with httpx.AsyncClient(
        base_url=base,
        headers={"host": host_header, "user-agent": "suture-replay", "accept-encoding": "identity"},
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=2.0),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        began = time.monotonic()
        running = []
        for request in requests:
            wait = began + request.due_seconds - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            running.append(asyncio.create_task(_one(client, request, began + request.due_seconds)))
        return list(await asyncio.gather(*running))


async def _one(client: httpx.AsyncClient, request: Request, due: float) -> Answer:
    kind = NO_ANSWER
    lag_ms = round((time.monotonic() - due) * 1000, 3)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with client.stream(
                request.method, request.target, headers=dict(request.headers), content=request.body
            ) as answer:
                read = 0
                async for block in answer.aiter_raw():
                    read += len(block)
                    if read > BODY_BYTES:
                        break
                kind = f"{answer.status_code // 100}xx"
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, ValueError):
        kind = NO_ANSWER
    return Answer(request.route, kind, round((time.monotonic() - due) * 1000, 3), lag_ms)


def require_on_time(answers: Sequence[Answer]) -> Sequence[Answer]:
    """Themselves. Raises TrafficUnavailableError when too many were sent late: whatever they say, it is of this machine."""
    late = sum(1 for one in answers if one.lag_ms > LAG_SECONDS * 1000)
    if late * 20 > len(answers):
        worst = max(one.lag_ms for one in answers) / 1000
        raise TrafficUnavailableError(
            f"This machine was too busy to replay on time: {late} of {len(answers)} requests were sent late, by up to {worst:.1f} s.",
            remedy="Give it room, or lower the speed or max_requests of the traffic in parity.yaml; it is tried again.",
        )
    return answers


@contextmanager
def tunnel(host: InventoryHost, port: int) -> Iterator[int]:
    """A port of this machine's loopback that leads to `port` of the host's own loopback. Raises TrafficUnavailableError."""
    local = _free_port()
    with tempfile.TemporaryDirectory(prefix="suture-replay-") as folder:
        config = Path(folder) / "ssh_config"
        config.write_text(ssh_config([host]), "utf-8")
        command = [
            *("ssh", "-F", str(config), "-N", "-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes"),
            *("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=10"),
            *("-L", f"127.0.0.1:{local}:127.0.0.1:{port}", host.name),
        ]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _await_tunnel(process, local, host.name, port)
            yield local
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stderr is not None:
                process.stderr.close()


def _await_tunnel(process: subprocess.Popen[str], local: int, host: str, port: int) -> None:
    give_up_at = time.monotonic() + TUNNEL_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            said = process.stderr.read()[-300:].strip() if process.stderr is not None else ""
            raise TrafficUnavailableError(f"{host} cannot be reached for the replay: ssh ended ({said}).")
        try:
            with socket.create_connection(("127.0.0.1", local), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TrafficUnavailableError(f"{host}: no way to its port {port} was opened within {TUNNEL_SECONDS:.0f} s.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
