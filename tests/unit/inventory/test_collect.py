from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from suture.inventory.collect import collect
from suture.model.assets import AssetRegister
from suture.runner.simulator import Fault, FleetSimulator, SimulatedHost
from suture.settings import PROJECT_ROOT
from suture.store import Store, hosts, leases
from tests.unit.runner.fleet import make_fleet

pytestmark = pytest.mark.database
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
REGISTER = AssetRegister.load(PROJECT_ROOT / "include" / "policy")


def by_name(store: Store) -> dict[str, dict[str, object]]:
    return {row["host_id"]: row for row in hosts.list_hosts(store)}


def packages(store: Store, host: str) -> dict[str, str]:
    rows = store._connection.execute("SELECT package, version FROM host_package WHERE host_id = %s", (host,))
    return {row["package"]: row["version"] for row in rows}


def test_hosts_and_packages_are_written_as_they_are(store: Store) -> None:
    fleet = make_fleet()
    found = collect(store, fleet, REGISTER, now=NOW)
    assert found.counts() == {"collected": 5, "unreachable": 0, "unmanaged": 0, "retired": 0, "packages": 15, "components": 0}
    row = by_name(store)["app1"]
    assert (row["asset_group"], row["environment"], row["collected_at"]) == ("web", "production", NOW)
    del fleet.fleet["app1"].packages["bash"]
    collect(store, fleet, REGISTER, now=NOW)
    assert set(packages(store, "app1")) == {"nginx", "nginx-common"}


def test_an_unreachable_host_keeps_what_was_known_with_its_age(store: Store) -> None:
    fleet = make_fleet()
    collect(store, fleet, REGISTER, now=NOW)
    fleet.fleet["app2"].faults.add(Fault.GONE)
    found = collect(store, fleet, REGISTER, now=NOW + timedelta(days=1))
    assert found.unreachable == {"app2": "no route to host"}
    row = by_name(store)["app2"]
    assert (row["reachable"], row["last_error"], row["collected_at"]) == (False, "no route to host", NOW)
    assert packages(store, "app2")["bash"] == "5.2"


def test_a_host_that_no_group_owns_is_named_and_not_collected(store: Store) -> None:
    fleet = FleetSimulator({**make_fleet().fleet, "printer": SimulatedHost("printer", ("office",), {"a": "1"})})
    found = collect(store, fleet, REGISTER, now=NOW)
    assert found.unmanaged == ("printer",)
    assert "printer" not in by_name(store)
    assert fleet.fleet["printer"].phases == []


def test_a_host_that_left_is_retired_but_not_when_nobody_answers(store: Store) -> None:
    fleet = make_fleet()
    collect(store, fleet, REGISTER, now=NOW)
    del fleet.fleet["app4"]
    for host in fleet.fleet.values():
        host.faults.add(Fault.GONE)
    assert collect(store, fleet, REGISTER, now=NOW).retired == ()
    for host in fleet.fleet.values():
        host.faults.clear()
    assert collect(store, fleet, REGISTER, now=NOW).retired == ("app4",)
    assert "app4" not in by_name(store)


def test_tokens_start_above_what_the_hosts_remember(store: Store) -> None:
    fleet = make_fleet()
    fleet.fleet["app1"].token = 4711
    collect(store, fleet, REGISTER, now=NOW)
    assert leases.acquire(store, "app1", holder="x", campaign_id=None).token > 4711
