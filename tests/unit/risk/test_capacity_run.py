"""Trains on a real warehouse: measured times, the kept assignment, its evidence, and what enforcing holds back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from suture.campaign import CampaignState, create_campaign, move
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.risk.capacity import CapacityPolicy
from suture.risk.capacity_run import capacity_view, hand_over, plan_trains, write_trains
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_host

pytestmark = pytest.mark.database
RULES = CapacityPolicy.load(PROJECT_ROOT / "include" / "policy")
SMALL = replace(RULES, minutes_per_train=100, enforce=True)
P = Priority
TUESDAY = datetime.fromisoformat("2026-11-24T07:00+00:00")  # NOW is the Monday before


@pytest.fixture
def hosts(store: Store) -> Store:
    add_host(store, "app1")
    add_host(store, "stg1", asset_group="staging", environment="staging")
    return store


def add(store: Store, number: int, priority: Priority = P.SCHEDULED, *, packages: int = 1, at: datetime = NOW) -> str:
    name = f"SUT-2026-{number:04d}"
    plan = CampaignPlan(
        "web", "debian", "nightly", {Ring.CANARY: ("app1",)},
        tuple(PlannedPackage(f"p{n}", "amd64", "2", f"p{n}", "2") for n in range(packages)),
    )  # fmt: skip
    create_campaign(
        store, campaign_id=name, title=name, requested_by="olga", priority=priority, deadline=NOW + timedelta(days=60),
        plan=plan, reasons=["test"], at=at,
    )  # fmt: skip
    return name


def filled(store: Store) -> int:
    return sum(1 for row in store.fetch_all("evidence/list_evidence", {"campaign_id": None}) if row["action"] == "trains_filled")


def test_the_assignment_is_kept_shown_and_evidence_when_it_changes(hosts: Store) -> None:
    rules = replace(RULES, minutes_per_train=60, horizon=2)
    names = [add(hosts, number) for number in (1, 2, 3)]  # 51 minutes each: one a train, the third waits
    write_trains(hosts, rules, now=NOW)
    view = capacity_view(hosts, rules, now=NOW)
    assert [len(train["campaigns"]) for train in view["trains"]] == [1, 1]
    (waiting,) = view["waiting"]
    assert waiting["campaign_id"] in names
    assert "full of what brings more" in waiting["sentence"]
    assert view["forecast"]["backlog_campaigns"] == 3
    assert filled(hosts) == 1
    write_trains(hosts, rules, now=NOW + timedelta(minutes=5))
    assert filled(hosts) == 1
    add(hosts, 4, P.IMMEDIATE)
    write_trains(hosts, rules, now=NOW + timedelta(minutes=10))
    assert filled(hosts) == 2
    first = capacity_view(hosts, rules, now=NOW)["trains"][0]
    assert [slot["campaign_id"] for slot in first["campaigns"]] == ["SUT-2026-0004"]


def test_measured_tests_count_before_estimates(hosts: Store) -> None:
    name = add(hosts, 1)
    columns = ("campaign_id", "stage", "host_id", "passed", "tests", "failures", "duration_seconds", "started_at")
    hosts.copy_rows(
        "test_run", columns,
        [(name, stage, host, True, 1, 0, seconds, NOW)
         for stage, host, seconds in (("before", "stg1", 60.0), ("before", "stg2", 90.0), ("after", "stg1", 30.0))],
    )  # fmt: skip
    steps = ("campaign_id", "host_id", "phase", "plan_hash", "status", "token", "started_at", "finished_at")
    hosts.copy_rows("host_step", steps, [(name, "stg1", "patch", "h", "done", 1, NOW, NOW + timedelta(minutes=18))])
    (slot,) = plan_trains(hosts, RULES, now=NOW).plan.slots
    assert slot.work.measured
    assert slot.work.minutes == 2 + 18 + RULES.review_minutes  # the longer host of a stage: 90 s + 30 s, and 18 minutes


def test_without_enforcement_everything_is_handed_over_at_once(hosts: Store) -> None:
    planned = [add(hosts, 1), add(hosts, 2)]
    assert hand_over(hosts, RULES, planned, now=NOW) == planned
    assert hand_over(hosts, RULES, [], now=NOW) == []
    # Turned on later, what was handed over before is not handed over again.
    assert hand_over(hosts, SMALL, [], now=NOW) == []


def test_enforced_a_campaign_waits_for_its_train_and_is_handed_over_once(hosts: Store) -> None:
    planned = [add(hosts, 1), add(hosts, 2), add(hosts, 3)]  # 51 minutes each, a train takes 100
    first = hand_over(hosts, SMALL, planned, now=NOW)  # the train under way takes one
    assert len(first) == 1
    assert hand_over(hosts, SMALL, [], now=NOW + timedelta(hours=1)) == []  # what it has taken stays taken
    second = hand_over(hosts, SMALL, [], now=TUESDAY)
    assert len(second) == 1
    third = hand_over(hosts, SMALL, [], now=TUESDAY + timedelta(days=7))
    assert sorted(first + second + third) == planned
    assert hand_over(hosts, SMALL, [], now=TUESDAY + timedelta(days=14)) == []


def test_enforced_an_immediate_one_never_waits(hosts: Store) -> None:
    hand_over(hosts, SMALL, [add(hosts, 1)], now=NOW)
    urgent = [add(hosts, number, P.IMMEDIATE, packages=40) for number in (2, 3)]
    assert hand_over(hosts, SMALL, urgent, now=NOW + timedelta(minutes=1)) == urgent
    train = capacity_view(hosts, SMALL, now=NOW)["trains"][0]
    assert train["over_capacity"]
    assert train["planned_minutes"] > train["capacity_minutes"]


def test_a_tested_campaign_keeps_its_place_in_the_train_under_way(hosts: Store) -> None:
    rules = replace(RULES, minutes_per_train=60)
    name = add(hosts, 1)
    write_trains(hosts, rules, now=NOW)
    for before, after in ((CampaignState.PLANNED, CampaignState.VALIDATED), (CampaignState.VALIDATED, CampaignState.TESTED)):
        move(hosts, name, expected=before, to=after, actor="test", reason="test")
    add(hosts, 2)
    plan = write_trains(hosts, rules, now=NOW + timedelta(hours=1)).plan
    assert plan.slots[0].train == plan.trains[1]
    assert plan.minutes_of(plan.trains[0]) == 51
