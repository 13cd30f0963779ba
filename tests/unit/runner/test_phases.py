from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.lifecycle import StaleMoveError
from suture.errors import BadInputError
from suture.evidence import verify_rows
from suture.runner import held_leases
from suture.runner.interface import Phase, RunCancelledError
from suture.runner.phases import PhaseFailedError, PhaseUnknownError, run_phase, touched_hosts
from suture.runner.simulator import Fault, FleetSimulator
from suture.settings import Settings
from suture.store import Store, StoreUnavailableError, leases, steps
from suture.store.leases import LeaseHeldError, LeaseLostError
from tests.unit.runner.fleet import CAMPAIGN, NEW, OLD, PLAN, make_fleet, rolling_out, with_repository

pytestmark = pytest.mark.database


@pytest.fixture
def fleet() -> FleetSimulator:
    return make_fleet()


@pytest.fixture
def installation(settings: Settings) -> Settings:
    return with_repository(settings)


def patch(store: Store, fleet: Any, installation: Settings, **rest: Any) -> Any:
    values = {"step": "patch", "ring": "ring_1", "actor": "test", "holder": "try 1", "lease_wait": timedelta(0)}
    return run_phase(store, fleet, installation, campaign_id=CAMPAIGN, **{**values, **rest})


def test_a_ring_is_patched_host_by_host_and_recorded(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    outcome = patch(store, fleet, installation).require_ok()
    assert sorted(outcome.done) == ["app2", "app3", "app4"]
    assert fleet.fleet["app3"].packages["nginx"] == NEW
    assert fleet.fleet["app1"].phases == []
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": None})
    assert verify_rows(rows) == []
    ends = [row for row in rows if row["action"] == "host_patch_done"]
    assert ends[0]["grounds"]["changes"]["nginx"] == {"from": OLD, "to": NEW}
    leases.acquire(store, "app2", holder="somebody else", campaign_id=None)


def test_a_second_try_does_not_touch_finished_hosts(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    fleet.fleet["app3"].faults.add(Fault.GONE)
    first = patch(store, fleet, installation)
    assert (sorted(first.done), sorted(first.unknown), first.not_started) == (["app2"], ["app3"], ("app4",))
    with pytest.raises(PhaseUnknownError) as lost:
        first.require_ok()
    assert lost.value.retryable
    fleet.fleet["app3"].faults.clear()
    second = patch(store, fleet, installation, holder="try 2").require_ok()
    assert (sorted(second.already_done), sorted(second.done)) == (["app2"], ["app3", "app4"])
    assert fleet.fleet["app2"].phases == [Phase.PATCH]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.LIES, "contradicts itself: nginx is 1.22.1-9"),
        (Fault.SILENT, "no report"),
        (Fault.UNWELL, "acme-portal.service is failed"),
    ],
)
def test_a_failed_host_stops_the_batches_and_says_why(
    store: Store, fleet: FleetSimulator, installation: Settings, fault: Fault, why: str
) -> None:
    rolling_out(store)
    fleet.fleet["app2"].faults.add(fault)
    outcome = patch(store, fleet, installation)
    assert why in outcome.failed["app2"]
    assert outcome.not_started == ("app3", "app4")
    assert fleet.fleet["app3"].phases == []
    with pytest.raises(PhaseFailedError, match="app2 failed") as error:
        outcome.require_ok()
    assert not error.value.retryable


def test_a_host_that_dies_mid_upgrade_is_unknown_and_healed_by_the_next_try(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    host = fleet.fleet["app1"]
    host.faults.add(Fault.DIES_MID_UPGRADE)
    outcome = patch(store, fleet, installation, ring="canary")
    assert "lost in the middle" in outcome.unknown["app1"]
    assert host.drained
    host.faults.discard(Fault.DIES_MID_UPGRADE)
    again = patch(store, fleet, installation, ring="canary", holder="try 2").require_ok()
    assert again.done["app1"]["healed"] == ["libexample is half-configured"]
    assert host.packages == {"nginx": NEW, "nginx-common": NEW, "bash": "5.2"}
    assert not host.drained
    # The way back is from before the first try, not from the half-way state.
    assert host.before[CAMPAIGN] == {"nginx": OLD, "nginx-common": OLD}


def test_a_campaign_that_was_halted_between_batches_is_not_gone_on_with(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    run = fleet.run

    def halt_after_the_first(*args: Any, **rest: Any) -> Any:
        result = run(*args, **rest)
        move(
            store,
            CAMPAIGN,
            expected=CampaignState.ROLLING_OUT,
            to=CampaignState.HALTED,
            actor="vera",
            reason="stop",
        )
        return result

    fleet.run = halt_after_the_first  # type: ignore[method-assign]
    with pytest.raises(StaleMoveError, match="is halted"):
        patch(store, fleet, installation)
    assert [host for host in ("app2", "app3", "app4") if fleet.fleet[host].phases] == ["app2"]


def test_a_step_waits_for_its_state(store: Store, fleet: FleetSimulator, installation: Settings) -> None:
    rolling_out(store)
    with pytest.raises(StaleMoveError, match="not rolling_back"):
        patch(store, fleet, installation, step="fence")
    with pytest.raises(BadInputError, match="is no step"):
        patch(store, fleet, installation, step="{{ x }}")
    with pytest.raises(BadInputError, match="never all"):
        patch(store, fleet, installation, ring=None)


def test_a_host_under_anothers_lease_is_left_alone(store: Store, fleet: FleetSimulator, installation: Settings) -> None:
    rolling_out(store)
    leases.acquire(store, "app2", holder="the first try", campaign_id=CAMPAIGN)
    with pytest.raises(LeaseHeldError, match="the first try"):
        patch(store, fleet, installation)
    assert fleet.fleet["app2"].phases == []


def test_a_try_that_lost_its_lease_stops_and_its_word_does_not_count(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    run = fleet.run

    def overtaken(given: Any, **rest: Any) -> Any:
        store._connection.execute("UPDATE host_lease SET expires_at = clock_timestamp()")
        leases.acquire(store, "app1", holder="try 2", campaign_id=CAMPAIGN)
        return run(given, **rest)

    fleet.run = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(LeaseLostError):
        patch(store, fleet, installation, ring="canary")
    assert fleet.fleet["app1"].packages["nginx"] == OLD


class _Restarts:
    """A warehouse that cuts its clients off while a host is patched; `pg_terminate_backend` is what a client sees of it."""

    def __init__(self, store: Store, fleet: FleetSimulator, url: str) -> None:
        self._run, self._store, self._url = fleet.run, store, url

    def __call__(self, given: Any, *, tick: Any, **rest: Any) -> Any:
        pid = self._store._connection.info.backend_pid
        with Store.connect(self._url) as other:
            other._connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        for _ in range(3):
            tick()
        return self._run(given, tick=tick, **rest)


def test_a_restart_of_the_warehouse_neither_stops_a_run_nor_loses_its_end(
    store: Store, fleet: FleetSimulator, installation: Settings, warehouse_url: str
) -> None:
    rolling_out(store)
    fleet.run = _Restarts(store, fleet, warehouse_url)  # type: ignore[method-assign, assignment]
    said: list[str] = []
    outcome = patch(store, fleet, installation, ring="canary", log=said.append).require_ok()
    assert list(outcome.done) == ["app1"]
    assert any("The leases still hold" in line for line in said)
    plan_hash = fetch_campaign(store, CAMPAIGN).plan_hash
    assert [step.status for step in steps.list_steps(store, CAMPAIGN, plan_hash)] == [steps.StepStatus.DONE]
    leases.acquire(store, "app1", holder="somebody else", campaign_id=None)  # it was given back


def test_a_warehouse_that_stays_away_stops_the_run_before_its_lease_ends(
    store: Store, fleet: FleetSimulator, installation: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling_out(store)

    def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(leases, "renew", away)
    monkeypatch.setattr(held_leases, "OUTAGE_SECONDS", 0.0)
    with pytest.raises(StoreUnavailableError):
        patch(store, fleet, installation, ring="canary")
    assert fleet.fleet["app1"].packages["nginx"] == OLD


def test_a_host_refuses_a_token_that_it_has_seen_overtaken(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    fleet.fleet["app1"].token = 10**6
    outcome = patch(store, fleet, installation, ring="canary")
    assert "is refused" in outcome.failed["app1"]


def test_a_killed_task_leaves_a_running_step_that_the_next_try_takes_over(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    rolling_out(store)
    fleet.fleet["app1"].faults.add(Fault.SLOW)
    fleet.fleet["app1"].delay_seconds = 30
    log: list[str] = []

    def kill(line: str) -> None:
        log.append(line)
        fleet.stop()

    with pytest.raises(RunCancelledError):
        patch(store, fleet, installation, ring="canary", log=kill)
    (step,) = steps.list_steps(store, CAMPAIGN, PLAN.hash)
    assert step.status is steps.StepStatus.RUNNING
    fleet.fleet["app1"].faults.clear()
    assert patch(store, fleet, installation, ring="canary", holder="try 2").ok


def test_touched_hosts_are_those_on_which_a_patch_began(
    store: Store, fleet: FleetSimulator, installation: Settings
) -> None:
    from suture.campaign import fetch_campaign

    rolling_out(store)
    assert touched_hosts(store, fetch_campaign(store, CAMPAIGN)) == ()
    fleet.fleet["app3"].faults.add(Fault.GONE)
    patch(store, fleet, installation)
    assert touched_hosts(store, fetch_campaign(store, CAMPAIGN)) == ("app2", "app3")


def test_the_way_back(store: Store, fleet: FleetSimulator, installation: Settings) -> None:
    rolling_out(store)
    patch(store, fleet, installation, ring="canary")
    for here, there in (
        (CampaignState.ROLLING_OUT, CampaignState.HALTED),
        (CampaignState.HALTED, CampaignState.ROLLING_BACK),
    ):
        move(store, CAMPAIGN, expected=here, to=there, actor="test", reason="back")
    host = fleet.fleet["app1"]
    patch(store, fleet, installation, step="fence", ring="touched").require_ok()
    assert host.fenced
    assert host.drained
    for step in ("restore", "data_check"):
        patch(store, fleet, installation, step=step, ring="touched").require_ok()
    assert host.packages["nginx"] == OLD
    assert host.fenced
    patch(store, fleet, installation, step="release", ring="touched").require_ok()
    assert not (host.fenced)
    assert not (host.drained)
