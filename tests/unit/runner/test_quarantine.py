"""Hosts of a hotfix's campaign read the quarantine only while it acts: whatever ends it, they leave, and none is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.lifecycle import StaleMoveError
from suture.model.plan import QUARANTINE
from suture.runner.phases import PhaseFailedError, run_phase
from suture.runner.quarantine import LEAVE, campaigns_to_leave, leavers, list_quarantined
from suture.runner.simulator import Fault, FleetSimulator
from suture.settings import Settings
from suture.store import Store, steps
from tests.unit.campaign.campaigns import add_campaign
from tests.unit.runner.fleet import CAMPAIGN, PLAN, make_fleet, with_repository

pytestmark = pytest.mark.database
_S = CampaignState
REGULAR = "SUT-2026-0002"
INTERNAL, QUARANTINED = "http://10.77.0.1:8000", "http://10.77.0.1:8000/quarantine"
TO_ROLLING_OUT = (_S.VALIDATED, _S.TESTED, _S.APPROVED, _S.ROLLING_OUT)
Act = Callable[..., Any]


@pytest.fixture
def fleet(store: Store) -> FleetSimulator:
    add_campaign(store, CAMPAIGN, replace(PLAN, extra={"repository": QUARANTINE, "case_id": "CASE-2026-0001"}))
    return make_fleet()


@pytest.fixture
def act(store: Store, fleet: FleetSimulator, settings: Settings) -> Act:
    installation = with_repository(settings)

    def call(step: str, *hosts: str, campaign_id: str = CAMPAIGN, holder: str = "try 1") -> Any:
        return run_phase(
            store, fleet, installation, campaign_id=campaign_id, step=step, hosts=hosts, actor="test", holder=holder,
            lease_wait=timedelta(0),
        )  # fmt: skip

    return call


def go(store: Store, *way: CampaignState, campaign_id: str = CAMPAIGN) -> None:
    for to in way:
        expected = fetch_campaign(store, campaign_id).state
        move(store, campaign_id, expected=expected, to=to, actor="test", reason="a test says so")


def leave(store: Store, act: Act, **rest: Any) -> Any:
    return act(LEAVE, *leavers(store, fetch_campaign(store, CAMPAIGN)), **rest)


def known(store: Store) -> list[str]:
    return [one.host_id for one in list_quarantined(store)]


@pytest.mark.parametrize(
    ("way", "end"),
    [
        ((_S.VALIDATED,), (_S.TEST_FAILED,)),
        ((_S.VALIDATED,), (_S.TEST_FAILED, _S.SUPERSEDED)),
        ((_S.VALIDATED,), (_S.TESTED, _S.DECLINED)),
        (TO_ROLLING_OUT, (_S.VERIFIED,)),
        (TO_ROLLING_OUT, (_S.VERIFIED, _S.CLOSED)),
        (TO_ROLLING_OUT, (_S.HALTED, _S.ROLLING_BACK, _S.ROLLED_BACK)),
    ],
)
def test_however_a_campaign_ends_its_hosts_leave(
    store: Store, fleet: FleetSimulator, act: Act, way: tuple[CampaignState, ...], end: tuple[CampaignState, ...]
) -> None:
    go(store, *way)
    act("patch", "stg-app1" if way[-1] is _S.VALIDATED else "app1").require_ok()
    (host,) = known(store)
    assert fleet.fleet[host].reads[1:] == (QUARANTINED,)
    assert campaigns_to_leave(store) == []  # under way: its next step would need it again
    assert leavers(store, fetch_campaign(store, CAMPAIGN)) == ()
    with pytest.raises(StaleMoveError, match="is not started"):
        act(LEAVE, host)

    go(store, *end)
    assert campaigns_to_leave(store) == [CAMPAIGN]
    assert list(leave(store, act).require_ok().done) == [host]
    assert fleet.fleet[host].reads == (INTERNAL,)
    assert (known(store), campaigns_to_leave(store)) == ([], [])
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": CAMPAIGN})
    assert [row["subject"] for row in rows if row["action"] == "host_leave_quarantine_done"] == [f"host:{host}"]


def test_hosts_that_fail_are_named_and_tried_again_and_keep_no_other_back(
    store: Store, fleet: FleetSimulator, act: Act
) -> None:
    go(store, *TO_ROLLING_OUT)
    act("patch", "app1", "app2", "app3").require_ok()
    go(store, _S.VERIFIED)
    assert {one.sentence for one in list_quarantined(store)} == {f"{host}: not tried yet" for host in ("app1", "app2", "app3")}
    fleet.fleet["app1"].faults.add(Fault.SILENT)
    fleet.fleet["app2"].faults.add(Fault.GONE)
    with pytest.raises(PhaseFailedError, match="app1 failed: it handed over no report; app2 was lost"):
        leave(store, act).require_ok()
    told = {one.host_id: one.sentence for one in list_quarantined(store)}
    assert told == {"app1": "app1: it handed over no report", "app2": "app2: no route to host"}
    assert fleet.fleet["app3"].reads == (INTERNAL,)
    fleet.fleet["app1"].faults.clear()
    fleet.fleet["app2"].faults.clear()
    assert sorted(leave(store, act, holder="try 2").require_ok().done) == ["app1", "app2"]
    assert known(store) == []


def test_what_the_campaign_does_after_a_host_has_left_makes_it_leave_again(
    store: Store, fleet: FleetSimulator, act: Act
) -> None:
    """The staging host follows production after the campaign is verified; a rollback that fails may end in another rollout."""
    go(store, *TO_ROLLING_OUT)
    act("patch", "app1").require_ok()
    go(store, _S.VERIFIED)
    leave(store, act).require_ok()
    act("patch_mirror", "stg-app1").require_ok()
    assert list(leave(store, act, holder="try 2").require_ok().done) == ["stg-app1"]

    go(store, _S.ROLLING_BACK, _S.HALTED, _S.ROLLING_OUT)
    fleet.fleet["app1"].packages.update({"nginx": "1", "nginx-common": "1"})
    act("patch_again", "app1", holder="try 3").require_ok()
    assert fleet.fleet["app1"].reads[1:] == (QUARANTINED,)
    assert [one.sentence for one in list_quarantined(store)] == [f"app1: {CAMPAIGN} is under way"]
    go(store, _S.VERIFIED)
    assert [one.sentence for one in list_quarantined(store)] == ["app1: not tried yet"]
    assert list(leave(store, act, holder="try 4").require_ok().done) == ["app1"]
    assert fleet.fleet["app1"].reads == (INTERNAL,)
    assert known(store) == []


def test_a_regular_campaign_brings_hosts_out_too(store: Store, fleet: FleetSimulator, act: Act) -> None:
    go(store, *TO_ROLLING_OUT)
    act("patch", "app1", "app2").require_ok()
    go(store, _S.VERIFIED)
    newer = tuple(replace(package, version="2", source_version="2") for package in PLAN.packages)
    add_campaign(store, REGULAR, replace(PLAN, packages=newer))
    go(store, *TO_ROLLING_OUT, campaign_id=REGULAR)
    fleet.fleet["app2"].faults.add(Fault.GONE)
    assert not act("patch", "app1", "app2", campaign_id=REGULAR).ok
    assert fleet.fleet["app1"].reads == (INTERNAL,)
    assert known(store) == ["app2"]  # what was not reached was not written


def test_a_retired_host_is_not_waited_for(store: Store, fleet: FleetSimulator, act: Act) -> None:
    go(store, *TO_ROLLING_OUT)
    act("patch", "app1").require_ok()
    go(store, _S.VERIFIED)
    store._connection.execute("UPDATE host SET retired_at = now() WHERE host_id = 'app1'")
    assert known(store) == []


def test_a_regular_campaign_has_no_host_to_bring_out(store: Store, act: Act) -> None:
    add_campaign(store, REGULAR, PLAN)
    go(store, *TO_ROLLING_OUT, _S.VERIFIED, campaign_id=REGULAR)
    campaign = fetch_campaign(store, REGULAR)
    assert leavers(store, campaign) == ()
    assert act(LEAVE, campaign_id=REGULAR).ok
    assert steps.list_steps(store, REGULAR, campaign.plan_hash) == []
