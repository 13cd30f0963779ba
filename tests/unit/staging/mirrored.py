"""A simulated fleet with a mirror: two roles on both sides, a load balancer that has none, and an entry that answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from suture.campaign import Campaign, CampaignState, create_campaign, fetch_campaign, move
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.runner.simulator import FleetSimulator, SimulatedHost
from suture.staging import traffic_compare, traffic_replay
from suture.store import Store
from tests.unit.campaign.campaigns import add_hosts

CAMPAIGN, EDGE = "SUT-2026-0001", "SUT-2026-0002"
FLOW = "app to db 5432/tcp"
FILES = {"/etc/acme-portal/portal.conf": "0644 root:root 11"}
GROUPS = {
    "app1": ("app", "production"),
    "app2": ("app", "production"),
    "db1": ("db", "production"),
    "lb1": ("lb", "production"),
    "stg-app1": ("staging_app", "staging"),
    "stg-db1": ("staging_db", "staging"),
}
PACKAGE = PlannedPackage("acme-portal", "amd64", "1.0.1", "acme-portal", "1.0.1", sha256="a" * 64)


@dataclass(frozen=True)
class Offered:
    """A package of the internal repository's index."""

    name: str = "acme-portal"
    version: str = "1.0.1"
    architecture: str = "amd64"
    sha256: str | None = "a" * 64


@dataclass
class Published:
    """What the internal repository shows; a test may change it."""

    snapshot: str = "s-1"
    packages: list[Offered] = field(default_factory=lambda: [Offered()])

    def state(self, *, now: datetime) -> Published:
        return self


def now() -> datetime:
    return datetime.now(UTC)


def make_fleet() -> FleetSimulator:
    packages = {f"package{number}": "1.0" for number in range(20)} | {"acme-portal": "1.0.0"}
    hosts = {name: SimulatedHost(name, groups, dict(packages), files=dict(FILES)) for name, groups in GROUPS.items()}
    hosts["lb1"].requests = [
        {
            "offset_ms": 2.0 * number,
            "method": "GET",
            "path": "/api/orders" if number % 2 else "/version",
            "query": "page=2",
            "headers": {},
            "status": 200,
            "took_ms": 1.0,
        }
        for number in range(80)
    ]
    return FleetSimulator(hosts)


def write_inventory(path: Path) -> Path:
    groups: dict[str, dict[str, Any]] = {}
    for number, (host, names) in enumerate(sorted(GROUPS.items()), start=11):
        for name in names:
            groups.setdefault(name, {"hosts": {}})["hosts"][host] = {"ansible_host": f"10.77.0.{number}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"all": {"children": groups}}), "utf-8")
    return path


def add_campaign(
    store: Store, campaign_id: str = CAMPAIGN, *, group: str = "web", state: CampaignState = CampaignState.VALIDATED
) -> Campaign:
    """A campaign of the mirrored web tier, or of a group without a mirror: its one host is lb1."""
    mirrored = group == "web"
    rings: dict[Ring, tuple[str, ...]] = dict.fromkeys(Ring, ()) | {
        Ring.STAGING: ("stg-app1",) if mirrored else (),
        Ring.CANARY: ("app1",) if mirrored else ("lb1",),
        Ring.RING_1: ("app2",) if mirrored else (),
    }
    plan = CampaignPlan(group, "vendor", "nightly" if mirrored else "sunday", rings, (PACKAGE,), service="portal")
    add_hosts(store, plan)
    create_campaign(
        store,
        campaign_id=campaign_id,
        title="acme-portal 1.0.1",
        requested_by="olga",
        priority=Priority.SCHEDULED,
        deadline=datetime(2027, 1, 1, tzinfo=UTC),
        plan=plan,
        reasons=["test"],
    )
    if state is not CampaignState.PLANNED:
        move(store, campaign_id, expected=CampaignState.PLANNED, to=state, actor="test", reason="test")
    return fetch_campaign(store, campaign_id)


def set_moved(store: Store, campaign_id: str, *way: CampaignState) -> Campaign:
    for to in way:
        here = fetch_campaign(store, campaign_id).state
        move(store, campaign_id, expected=here, to=to, actor="test", reason="test")
    return fetch_campaign(store, campaign_id)


def ignore_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No replay is late and no route slower: how a busy machine is judged is test_traffic's subject."""
    monkeypatch.setattr(traffic_replay, "LAG_SECONDS", 60.0)
    monkeypatch.setattr(traffic_compare, "_latency", lambda *_: [])


class Entry:
    """Staging's entry: a real HTTP server on loopback, whose answers a test may make worse."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[str] = []

    @contextmanager
    def tunnel(self, host: Any, port: int) -> Iterator[int]:
        """In place of ssh's tunnel to the host. Loopback port."""
        assert (host.name, port) == ("stg-app1", 8081)
        entry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                entry.asked.append(self.path)
                self.send_response(entry.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256  # a replay opens many connections at once

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
