"""Mirrored staging on real hosts: an equal pair passes; a dropped flow, another version, a faked mirror and a bad patch do not."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from suture.campaign import Campaign, create_campaign, fetch_campaign
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.runner import Phase, PlaybookRun
from suture.runner.ansible import AnsibleRunner
from suture.settings import PROJECT_ROOT, Settings
from suture.staging.parity import Parity
from suture.staging.parity_measure import measure
from suture.staging.traffic import ReplayOutcome, TrafficWorseError, replay_stage
from suture.staging.traffic_replay import TrafficUnavailableError
from suture.store import Store, parity
from suture.store.objects import open_objects
from tests.fleet_rows import add_host
from tests.lab.conftest import OwnFleet, install_portal

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]
UP = frozenset({"app1", "db1"})
UNTIL_IT_ANSWERS = "curl -fsS --retry 120 --retry-delay 1 --retry-all-errors http://127.0.0.1:8081/healthz >/dev/null"
SECRETS = {
    "Bearer": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvbGdhIn0.c2lnbmF0dXJlLW9mLW9sZ2E",
    "token": "9f86d081884c7d659a2feaa0c55ad015",
    "email": "olga.petrova@customer.example",
    "card": "4111111111111111",
    "password": "correct horse",
}


@pytest.fixture
def look(lab_settings: Settings) -> Callable[..., Parity]:
    """Measures the pair against the production hosts that are up."""

    def call(*, packages: tuple[str, ...] | None = None, only: frozenset[str] = UP) -> Parity:
        runner = AnsibleRunner(lab_settings.inventory_path)
        return measure(runner, lab_settings, "web", now=lambda: datetime.now(UTC), packages=packages, only=only)

    return call


@pytest.fixture
def first_version(fleet: Callable[..., str], tmp_path: Path) -> Iterator[None]:
    yield
    install_portal(fleet, tmp_path, "stg-app1", "1.0.0")


def test_the_pair_of_the_practice_fleet_is_alike_with_declared_differences(look: Callable[..., Parity]) -> None:
    found = look()
    assert found.passed, found.sentence
    assert found.score == 100
    assert {one.item for one in found.differences} == {"/etc/hosts"}
    assert found.compared == {"app": (1, 1), "db": (1, 1)}


def test_a_dropped_upstream_flow_fails_whatever_the_score(
    fleet: Callable[..., str], look: Callable[..., Parity]
) -> None:
    fleet(
        "stg-app1",
        "nft add table inet test_parity && nft 'add chain inet test_parity out { type filter hook output priority 0; }'"
        " && nft add rule inet test_parity out ip daddr 10.77.0.41 tcp dport 5432 reject",
    )
    try:
        found = look(packages=("acme-portal",))
    finally:
        fleet("stg-app1", "nft delete table inet test_parity")
    assert not found.passed
    assert [one.sentence for one in found.hard] == [
        "stg-app1 does not reach the flow app to db 5432/tcp (stg-db1: Connection refused)"
    ]
    assert found.score is not None
    assert found.score >= found.floor  # the floor alone would have let it through
    assert look().passed


def test_a_stopped_upstream_fails(fleet: Callable[..., str], look: Callable[..., Parity]) -> None:
    fleet("stg-db1", "systemctl stop postgresql@15-main")
    try:
        found = look(packages=("acme-portal",))
    finally:
        fleet("stg-db1", "systemctl start postgresql@15-main")
    assert any("does not reach the flow" in one.sentence for one in found.hard)
    assert any(one.kind == "units" and one.item == "postgresql@15-main.service" for one in found.undeclared)
    assert any(one.kind == "ports" and one.item.startswith("tcp/5432") for one in found.undeclared)


@pytest.mark.usefixtures("first_version")
def test_another_minor_version_of_a_package_fails(
    fleet: Callable[..., str], look: Callable[..., Parity], tmp_path: Path
) -> None:
    install_portal(fleet, tmp_path, "stg-app1", "1.0.1")
    for packages in (None, ("acme-portal",)):
        found = look(packages=packages)
        assert not found.passed
        assert "the package acme-portal is 1.0.1 on stg-app1, in production 1.0.0" in [o.sentence for o in found.hard]
    elsewhere = look(packages=("tzdata",))  # a campaign that has nothing to do with it
    assert elsewhere.passed, elsewhere.sentence
    assert any(one.item == "acme-portal" and not one.hard for one in elsewhere.undeclared)


def test_a_staging_host_that_uses_productions_database_fails(
    fleet: Callable[..., str], look: Callable[..., Parity]
) -> None:
    """The mirror is fake when its data comes from production: the file says so, and the open connection does."""
    config = "/etc/acme-portal/conf.d/lab.conf"
    restart = f"systemctl restart acme-portal; {UNTIL_IT_ANSWERS}"
    fleet("stg-app1", f"sed -i 's/10.77.0.41/10.77.0.31/' {config}; {restart}; curl -s http://127.0.0.1:8081/api/orders >/dev/null")
    try:
        found = look(packages=("acme-portal",))
    finally:
        fleet("stg-app1", f"sed -i 's/10.77.0.31/10.77.0.41/' {config}; {restart}")
    assert any("acme-portal.service on stg-app1 is connected to db1:5432" in one.sentence for one in found.hard)
    assert any(one.item == config for one in found.undeclared)
    assert look().passed


def test_a_host_without_facts_is_never_alike(look: Callable[..., Parity]) -> None:
    found = look(only=UP | {"app2"})  # it is switched off
    assert found.score is None
    assert not found.passed
    assert any("app2 gave no facts" in why for why in found.not_comparable)


# Traffic


@pytest.fixture
def campaign_id(store: Store) -> str:
    package = PlannedPackage("acme-portal", "all", "1.0.1", "acme-portal", "1.0.1", sha256="0" * 64)
    rings: dict[Ring, tuple[str, ...]] = {Ring.STAGING: ("stg-app1", "stg-db1"), Ring.CANARY: ("app1",)}
    for host in ("stg-app1", "stg-db1", "app1"):
        add_host(store, host)
    plan = CampaignPlan("web", "vendor", "nightly", rings, (package,), service="portal")
    create_campaign(
        store, campaign_id="SUT-2026-0001", title="acme-portal", requested_by="olga", priority=Priority.SCHEDULED,
        deadline=datetime(2026, 12, 1, tzinfo=UTC), plan=plan, reasons=["test"],
    )  # fmt: skip
    return "SUT-2026-0001"


@pytest.fixture
def replaying(lab_settings: Settings, tmp_path: Path) -> Settings:
    """The project's policies, with a record of 800 requests."""
    folder = tmp_path / "policy"
    folder.mkdir()
    for path in (PROJECT_ROOT / "include" / "policy").glob("*.yaml"):
        (folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    document = yaml.safe_load((folder / "parity.yaml").read_text("utf-8"))
    document["traffic"][0]["record"].update(max_requests=800, min_requests=700)
    document["traffic"][0]["worse"].update(slower_ms=1000)  # the machine is shared
    (folder / "parity.yaml").write_text(yaml.safe_dump(document), "utf-8")
    return replace(lab_settings, policy_dir=folder)


def test_of_a_long_log_the_newest_requests_are_recorded(lab_settings: Settings, fleet: Callable[..., str]) -> None:
    """More lines than are read: systemd 252 gives the oldest of them where it is asked for a time and a number."""
    at = "$(date -u +%d/%b/%Y:%H:%M:%S).000"
    line = f'192.0.2.1:9 [{at}] portal app/app1 0/0/1/5/6 200 1 - - ---- 1/1/1/1/0 0/0 \\"GET /n/$i HTTP/1.1\\"'
    script = f'for i in $(seq 300); do echo "{line}"; done'
    fleet("lb1", f"cat > /run/long.sh <<'END'\n{script}\nEND\nsystemd-run -q --wait --unit=long-log sh /run/long.sh; rm /run/long.sh")
    record = {
        "journal": "long-log.service", "file": "", "format": "haproxy_http", "frontend": "portal", "captured_headers": [],
        "seconds": 600, "most": 20, "methods": ["GET"], "keep_query": [], "keep_headers": [],
    }  # fmt: skip
    result = AnsibleRunner(lab_settings.inventory_path).run(PlaybookRun(Phase.TRAFFIC, ("lb1",), {"record": record}))
    found = result.reports["lb1"]["traffic"]
    assert [one["path"] for one in found["requests"]] == [f"/n/{number}" for number in range(281, 301)]
    assert found["read"] == 100


def replayed(store: Store, settings: Settings, campaign: Campaign, stage: str) -> ReplayOutcome:
    """As its task does it: where the machine was too busy to send on time, it is tried again."""
    runner = AnsibleRunner(settings.inventory_path)
    for _ in range(4):
        with contextlib.suppress(TrafficUnavailableError):
            return replay_stage(store, runner, settings, campaign, stage)
        time.sleep(10)
    return replay_stage(store, runner, settings, campaign, stage)


def requests_on_record(fleet: Callable[..., str]) -> int:
    return int(fleet("lb1", "journalctl -q -o cat -u haproxy --since=-10min | grep -c '\"GET '", check=False) or 0)


@pytest.mark.database
@pytest.mark.usefixtures("first_version")
def test_a_patch_that_answers_productions_requests_worse_fails_and_no_secret_is_kept(
    own_fleet: OwnFleet, fleet: Callable[..., str], store: Store, replaying: Settings, campaign_id: str, tmp_path: Path
) -> None:
    patience = time.monotonic() + 300
    while requests_on_record(fleet) < 1000:
        assert time.monotonic() < patience, "the load balancer logs no requests"
        time.sleep(1)
    query = "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in SECRETS.items())
    targets = (
        f"/api/orders?{query}",
        f"/files?name=price-list.txt&card={SECRETS['card']}",
        f"/reset/{SECRETS['token']}",
    )

    # The record holds the newest requests at the moment when the playbook reads the log: the host plants until it has.
    header = f"Authorization: Bearer {SECRETS['Bearer']}"
    plant = "; ".join(f"curl -s -o /dev/null -H '{header}' 'http://10.77.0.10:8080{path}'" for path in targets)
    fleet("lb1", f'systemd-run -q --collect --unit=plant-secrets sh -c "while :; do {plant}; sleep 1; done"')

    campaign = fetch_campaign(store, campaign_id)
    try:
        while not fleet("lb1", f"journalctl -q -o cat -u haproxy --since=-1min | grep {SECRETS['token']}", check=False):
            assert time.monotonic() < patience, "the load balancer logs no planted request"
            time.sleep(1)
        before = replayed(store, replaying, campaign, "before")
    finally:
        fleet("lb1", "systemctl stop plant-secrets")
    assert before.passed
    assert before.requests == 800
    row = parity.latest_replay(store, campaign_id, "before")
    assert row is not None
    kept = open_objects(replaying.store_url).get(row["record_key"])
    for secret in SECRETS.values():
        assert secret.encode() not in kept
        assert secret.replace(" ", "+").encode() not in kept
        assert secret.replace("@", "%40").encode() not in kept
    paths = {one["path"] for one in json.loads(kept)["requests"]}
    assert {"/api/orders", "/files", "/reset/masked"} <= paths

    install_portal(fleet, tmp_path, "stg-app1", "1.0.1")
    after = replayed(store, replaying, campaign, "after")
    assert after.passed, after.sentence

    install_portal(fleet, tmp_path, "stg-app1", "1.0.2")  # fails one in twenty after its first 200 requests
    worse = replayed(store, replaying, campaign, "after")
    assert not worse.passed
    # Where the machine is busy, answers may be missing or late besides.
    assert {one.route for one in worse.declined if one.measure == "5xx"} == {"GET /api/orders"}
    with pytest.raises(TrafficWorseError, match="are 5xx, before the patch 0 of"):
        worse.require_passed()
