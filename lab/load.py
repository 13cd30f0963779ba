"""The load generator: a steady open model, and a record of every request.

The rules:

- Arrivals are a Poisson process at the wanted rate. A slow answer delays no later request, and the latency is counted
  from when the request was due (no coordinated omission).
- Each request is one line of the record, failed ones too; nothing is tried again.
- The record starts when the service first answers; the rate may be changed while it runs (load.json).

Columns, tab-separated: due_at (ISO 8601, µs, UTC) · sent_at · latency_us (from due_at) · method · status (0: none) ·
error ("-": none) · served_by · version.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

COLUMNS = ("due_at", "sent_at", "latency_us", "method", "status", "error", "served_by", "version")
DEFAULT_RATE_PER_S = 80.0
WRITE_SHARE = 0.2
PATIENCE_S = 5.0
MAX_RECORD_BYTES = 256 * 1024 * 1024
ITEMS = ("anvil", "rocket skates", "earthquake pills")


@dataclass(frozen=True)
class Answer:
    status: int
    error: str
    served_by: str
    version: str


NONE = "-"


class Client:
    """Keep-alive connections to the load balancer, as many as are needed at once."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        try:
            return await asyncio.wait_for(self._ask(method, path, body), PATIENCE_S)
        except TimeoutError:
            return Answer(0, "timeout", NONE, NONE)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
            return Answer(0, type(error).__name__, NONE, NONE)

    async def _ask(self, method: str, path: str, body: bytes) -> Answer:
        reader, writer = self._reuse() or await asyncio.open_connection(self.address, self.port)
        keep = False
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: portal\r\nContent-Length: {len(body)}\r\n"
            kind = "Content-Type: application/json\r\n" if body else ""
            writer.write(f"{head}{kind}\r\n".encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            await reader.readexactly(int(headers.get("content-length", "0")))
            keep = headers.get("connection") != "close"
            status = int(lines[0].split(" ", 2)[1])
            return Answer(status, NONE, headers.get("x-served-by", NONE), headers.get("x-portal-version", NONE))
        finally:
            if keep:
                self.idle.append((reader, writer))
            else:
                writer.close()

    def _reuse(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """An idle connection that the other side has not closed meanwhile."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None


class Record:
    """The file of requests; starts anew, keeping the one before, when it has grown large."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: TextIO | None = None
        self.lines = 0

    def add(self, due_at: float, sent_at: float, ended_at: float, method: str, answer: Answer) -> None:
        if self.file is None or self.file.tell() > MAX_RECORD_BYTES:
            self._open()
        assert self.file is not None
        latency_us = round((ended_at - due_at) * 1e6)
        fields = (_iso(due_at), _iso(sent_at), latency_us, method, answer.status, answer.error,
                  answer.served_by, answer.version)  # fmt: skip
        self.file.write("\t".join(map(str, fields)) + "\n")

    def flush(self) -> None:
        if self.file is not None:
            self.file.flush()

    def _open(self) -> None:
        if self.file is not None:
            self.file.close()
        if self.path.exists() and self.path.stat().st_size > MAX_RECORD_BYTES:
            self.path.replace(self.path.with_suffix(".old.tsv"))
        fresh = not self.path.exists() or self.path.stat().st_size == 0
        self.file = self.path.open("a", encoding="utf-8", buffering=64 * 1024)
        if fresh:
            self.file.write("\t".join(COLUMNS) + "\n")


def main(folder: Path, address: str, port: int) -> int:
    """Run for ever; `folder` holds load.json (wishes) and requests.tsv (the record)."""
    asyncio.run(_run(folder, address, port))
    return 0


def wanted_rate(folder: Path) -> float:
    """Requests a second from load.json; the default without one. Never negative."""
    try:
        return max(0.0, float(json.loads((folder / "load.json").read_text("utf-8"))["rate_per_s"]))
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_RATE_PER_S


async def _run(folder: Path, address: str, port: int) -> None:
    client, record = Client(address, port), Record(folder / "requests.tsv")
    while (await client.ask("GET", "/api/orders")).status != 200:
        await asyncio.sleep(0.3)
    rate = wanted_rate(folder)
    running: set[asyncio.Task[None]] = set()
    read_again_at = 0.0
    due_at = time.time()
    while True:
        now = time.time()
        if now >= read_again_at:
            rate, read_again_at = wanted_rate(folder), now + 0.5
            record.flush()
        if rate == 0:
            await asyncio.sleep(0.5)
            due_at = time.time()
            continue
        due_at += random.expovariate(rate)
        if due_at - now > 0:
            await asyncio.sleep(due_at - now)
        task = asyncio.create_task(_one(client, record, due_at))
        running.add(task)
        task.add_done_callback(running.discard)


async def _one(client: Client, record: Record, due_at: float) -> None:
    sent_at = time.time()
    if random.random() < WRITE_SHARE:  # noqa: S311
        method, body = "POST", json.dumps({"item": random.choice(ITEMS), "quantity": random.randint(1, 9)})  # noqa: S311
    else:
        method, body = "GET", ""
    answer = await client.ask(method, "/api/orders", body.encode())
    with contextlib.suppress(OSError):  # a full disk must not end the traffic
        record.add(due_at, sent_at, time.time(), method, answer)


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")
