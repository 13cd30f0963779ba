"""The load generator against a small server: every request is on record, lateness counts, failures are failures."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import datetime
from pathlib import Path

import pytest

from lab import load


async def serve(statuses: list[int], slow_after: int | None = None) -> tuple[asyncio.AbstractServer, int]:
    """Answers one status after the other, the last for ever; from `slow_after` answers on, 0.5 s late."""
    count = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while head := await reader.read(4096):
            assert head.startswith((b"GET /api/orders ", b"POST /api/orders "))
            status = statuses[min(count, len(statuses) - 1)]
            count += 1
            if slow_after is not None and count > slow_after:
                await asyncio.sleep(0.5)
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Length: 2\r\nX-Served-By: app1\r\nX-Portal-Version: 1\r\n\r\nok" % status
            )
            await writer.drain()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


def record_of(
    folder: Path, statuses: list[int], *, rate: float, lasts_s: float, slow_after: int | None = None
) -> list[dict[str, str]]:
    async def run() -> None:
        server, port = await serve(statuses, slow_after)
        (folder / "load.json").write_text(json.dumps({"rate_per_s": rate}))
        async with server:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(load._run(folder, "127.0.0.1", port), lasts_s)

    asyncio.run(run())
    with (folder / "requests.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_request_is_a_line(tmp_path: Path) -> None:
    rows = record_of(tmp_path, [200, 200, 500, 201], rate=100, lasts_s=2.2)
    assert 100 < len(rows) < 320
    assert [row["status"] for row in rows].count("500") == 1
    assert {row["method"] for row in rows} == {"GET", "POST"}
    assert {row["served_by"] for row in rows} == {"app1"}
    assert all(datetime.fromisoformat(row["due_at"]).tzinfo is not None for row in rows)
    assert all(row["sent_at"] >= row["due_at"] for row in rows)


def test_a_slow_service_delays_no_arrival(tmp_path: Path) -> None:
    rows = record_of(tmp_path, [200], rate=50, lasts_s=3, slow_after=20)
    assert len(rows) > 60, "a closed model would have waited for each answer"
    assert sum(int(row["latency_us"]) > 450_000 for row in rows) > 40


def test_a_refused_connection_is_an_error_with_its_name(tmp_path: Path) -> None:
    async def ask() -> load.Answer:
        return await load.Client("127.0.0.1", 9).ask("GET", "/api/orders")

    assert asyncio.run(ask()) == load.Answer(0, "ConnectionRefusedError", "-", "-")


def test_wishes_that_cannot_be_read_mean_the_default(tmp_path: Path) -> None:
    assert load.wanted_rate(tmp_path) == load.DEFAULT_RATE_PER_S
    (tmp_path / "load.json").write_text('{"rate_per_s": -3}')
    assert load.wanted_rate(tmp_path) == 0
