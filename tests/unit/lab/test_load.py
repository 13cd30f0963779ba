"""The load generator against a small server: every request is on record, lateness counts, failures are failures."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lab import load


@dataclass
class Service:
    """Answers one status after the other, the last for ever; from `stalls_after` requests on, none before `until` have come."""

    statuses: list[int]
    until: int
    stalls_after: int | None = None
    count: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4096):
            assert head.startswith((b"GET /api/orders ", b"POST /api/orders "))
            status = self.statuses[min(self.count, len(self.statuses) - 1)]
            self.count += 1
            if self.count >= self.until:
                self.enough.set()
            if self.stalls_after is not None and self.count > self.stalls_after:
                await self.enough.wait()
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Length: 2\r\nX-Served-By: app1\r\nX-Portal-Version: 1\r\n\r\nok" % status
            )
            await writer.drain()


def record_of(folder: Path, service: Service, *, rate: float) -> list[dict[str, str]]:
    """The record when the service has been asked as often as it wants, and has answered that."""
    path = folder / "requests.tsv"

    async def run() -> None:
        server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
        (folder / "load.json").write_text(json.dumps({"rate_per_s": rate}))
        async with server:
            traffic = asyncio.create_task(load._run(folder, "127.0.0.1", int(server.sockets[0].getsockname()[1])))
            async with asyncio.timeout(60):
                await service.enough.wait()
                while not path.exists() or path.read_text("utf-8").count("\n") < service.until:
                    await asyncio.sleep(0.1)
            traffic.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await traffic

    asyncio.run(run())
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_request_is_a_line_and_they_come_at_the_wanted_rate(tmp_path: Path) -> None:
    service = Service([200, 200, 500, 201], until=200)
    rows = record_of(tmp_path, service, rate=100)
    assert 199 <= len(rows) <= service.count - 1  # the first asked whether it answers at all
    due = sorted(datetime.fromisoformat(row["due_at"]) for row in rows)
    assert 50 < len(due) / (due[-1] - due[0]).total_seconds() < 200
    assert [row["status"] for row in rows].count("500") == 1
    assert {row["method"] for row in rows} == {"GET", "POST"}
    assert {row["served_by"] for row in rows} == {"app1"}
    assert all(datetime.fromisoformat(row["due_at"]).tzinfo is not None for row in rows)
    assert all(row["sent_at"] >= row["due_at"] for row in rows)


def test_a_slow_service_delays_no_arrival(tmp_path: Path) -> None:
    """The service answers the 21st request only when 100 have come."""
    rows = record_of(tmp_path, Service([200], until=100, stalls_after=20), rate=50)
    assert len(rows) >= 99, "a closed model would have waited for each answer"
    assert {row["error"] for row in rows} == {"-"}
    assert sum(int(row["latency_us"]) > 450_000 for row in rows) > 40


def test_a_refused_connection_is_an_error_with_its_name(tmp_path: Path) -> None:
    async def ask() -> load.Answer:
        return await load.Client("127.0.0.1", 9).ask("GET", "/api/orders")

    assert asyncio.run(ask()) == load.Answer(0, "ConnectionRefusedError", "-", "-")


def test_wishes_that_cannot_be_read_mean_the_default(tmp_path: Path) -> None:
    assert load.wanted_rate(tmp_path) == load.DEFAULT_RATE_PER_S
    (tmp_path / "load.json").write_text('{"rate_per_s": -3}')
    assert load.wanted_rate(tmp_path) == 0
