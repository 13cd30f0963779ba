"""The disruption budget: hosts that are out already count, and those being mended cost nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suture.runner.disruption import BudgetError, hosts_out_of_service, next_batch, room_to_disrupt
from suture.runner.phases import run_phase
from suture.runner.simulator import Fault
from suture.settings import Settings
from suture.store import Store
from tests.fleet_rows import add_host
from tests.unit.runner.fleet import CAMPAIGN, NEW, OLD, make_fleet, rolling_out, with_repository

WEB = [f"app{n}" for n in range(1, 7)]


def test_what_is_out_already_counts() -> None:
    assert room_to_disrupt(WEB, [], 2) == 2
    assert room_to_disrupt(WEB, ["app1", "elsewhere"], 2) == 1
    assert room_to_disrupt(["a", "b"], [], 5) == 1  # never all of a group
    assert room_to_disrupt(["db1"], [], 1) == 1
    with pytest.raises(BudgetError, match="at most 1 may be out of service at once, and 1 are: app3"):
        room_to_disrupt(WEB, ["app3"], 1)


def test_hosts_that_are_out_come_first_and_cost_nothing() -> None:
    assert next_batch(["app1", "app2", "app3"], WEB, {}, 2) == ["app1", "app2"]
    assert next_batch(["app1", "app2", "app3"], WEB, {"app6": "down"}, 2) == ["app1"]
    assert next_batch(["app1", "app2", "app3"], WEB, {"app3": "lost"}, 1) == ["app3"]
    with pytest.raises(BudgetError, match="app6"):
        next_batch(["app1"], WEB, {"app6": "down"}, 1)
    assert next_batch(["app1"], [], {}, 1) == ["app1"]  # a group that no inventory knows yet


@pytest.fixture
def fleet_rows(store: Store) -> Store:
    # As rolling_out() adds them, the campaign's hosts are in the warehouse already; these two stand beside them.
    rolling_out(store)
    for host in ("app8", "app9"):
        add_host(store, host)
    return store


def patch(store: Store, installation: Settings, fleet: Any, **rest: Any) -> Any:
    return run_phase(
        store, fleet, installation, campaign_id=CAMPAIGN, step="patch", ring="ring_1", actor="test",
        holder=rest.get("holder", "try 1"), lease_wait=timedelta(0),
    )  # fmt: skip


@pytest.mark.database
def test_no_host_is_patched_while_another_of_its_group_is_down(fleet_rows: Store, settings: Settings) -> None:
    fleet = make_fleet()
    installation = with_repository(settings)
    fleet_rows.execute("host/upsert_unreached_host", _unreached("app9"))
    _everyone, out = hosts_out_of_service(fleet_rows, "web")
    assert out == {"app9": "it was not reachable: no route to host"}
    with pytest.raises(BudgetError, match="app9"):
        patch(fleet_rows, installation, fleet)
    assert all(fleet.fleet[host].packages["nginx"] == OLD for host in ("app2", "app3", "app4"))


@pytest.mark.database
def test_a_lost_host_is_mended_by_the_next_try_before_another_is_touched(
    fleet_rows: Store, settings: Settings
) -> None:
    fleet = make_fleet()
    installation = with_repository(settings)
    fleet.fleet["app3"].faults.add(Fault.GONE)
    assert sorted(patch(fleet_rows, installation, fleet).unknown) == ["app3"]
    assert "patch of SUT-2026-0001 is unknown" in hosts_out_of_service(fleet_rows, "web")[1]["app3"]
    fleet.fleet["app3"].faults.clear()
    again = patch(fleet_rows, installation, fleet, holder="try 2").require_ok()
    assert list(again.done) == ["app3", "app4"]
    assert fleet.fleet["app4"].packages["nginx"] == NEW
    assert hosts_out_of_service(fleet_rows, "web")[1] == {}


def _unreached(host: str) -> dict[str, Any]:
    return {
        "host_id": host, "asset_group": "web", "environment": "production", "criticality": "high", "exposure": "open",
        "inventory_groups": [], "last_error": "no route to host",
    }  # fmt: skip
