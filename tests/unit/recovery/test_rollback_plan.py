"""The plan of a rollback: who, in which order, back to what, by which way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from suture.campaign import Campaign, CampaignState
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.recovery.rollback_plan import RollbackPlan, Tier, plan_rollback
from suture.store.steps import HostStep, StepStatus

AT = datetime(2026, 11, 24, 0, 10, tzinfo=UTC)
DEPENDS = {"web": ("data",), "data": (), "edge": ("web",)}
GROUPS = {"app1": "web", "app2": "web", "app3": "web", "db1": "data"}
BACK = {"replaced": {"acme-portal": {"version": "1.0.0", "deb": "x.deb"}}, "added": ["acme-extra"]}


def campaign() -> Campaign:
    rings = {Ring.STAGING: ("stg-app1",), Ring.CANARY: ("app1",), Ring.RING_1: ("app2", "db1"), Ring.RING_2: ("app3",)}
    package = PlannedPackage("acme-portal", "amd64", "1.0.2", "acme-portal", "1.0.2", sha256="0" * 64)
    plan = CampaignPlan("web", "vendor", "nightly", rings, (package,))
    return Campaign("SUT-2026-0001", "acme-portal 1.0.2", CampaignState.HALTED, "r", 1, "olga", Priority.SCHEDULED,
                    None, "nightly", plan, plan.hash, (), AT, AT)  # fmt: skip


def step(host: str, status: str = "done", *, name: str = "patch", **report: Any) -> HostStep:
    return HostStep(host, name, StepStatus(status), 1, report, None, AT, AT + timedelta(minutes=1))


def planned(*steps: HostStep, backed_up: tuple[str, ...] = ()) -> RollbackPlan:
    return plan_rollback(campaign(), steps, groups=GROUPS, depends_on=DEPENDS, backed_up=backed_up)


CHANGED: dict[str, Any] = {"changes": {"acme-portal": {"from": "1.0.0", "to": "1.0.2"}}}


def test_touched_hosts_come_back_in_dependency_order_to_exact_versions() -> None:
    plan = planned(
        step("stg-app1", way_back=BACK, **CHANGED),
        step("app1", way_back=BACK, **CHANGED),
        step("db1", way_back=BACK, **CHANGED),
    )
    assert [[host.host_id for host in wave] for wave in plan.waves] == [["db1"], ["app1"]]
    host = plan.hosts[1]
    assert (host.tier, dict(host.versions), host.remove) == (Tier.DOWNGRADE, {"acme-portal": "1.0.0"}, ("acme-extra",))
    assert plan.untouched == ("app2", "app3")
    assert plan.dependent_groups == ("edge",)
    assert plan.retired == (("acme-portal", "1.0.2"),)
    assert plan.as_json()["hosts"]["app1"]["versions"] == {"acme-portal": "1.0.0"}


@pytest.mark.parametrize(
    ("tried", "backed_up", "tier"),
    [
        (step("app1", "failed", way_back=BACK, **CHANGED), (), Tier.DOWNGRADE),
        (step("app1", "failed", changes={}), (), Tier.NOTHING),
        (step("app1", "unknown"), ("app1",), Tier.LOOK),
        (step("app1", "running"), (), Tier.LOOK),
        (step("app1", "failed"), (), Tier.LOOK),  # failed without a report: nobody knows how far it came
        (step("app1", "failed", **CHANGED), ("app1",), Tier.BACKUP),
        (step("app1", "failed", **CHANGED), (), Tier.NONE),
    ],
)
def test_the_way_back(tried: HostStep, backed_up: tuple[str, ...], tier: Tier) -> None:
    plan = planned(tried, backed_up=backed_up)
    assert plan.hosts[0].tier is tier
    assert plan.by_hand == (("app1",) if tier in (Tier.BACKUP, Tier.NONE) else ())


def test_the_first_try_knows_what_was_there_before() -> None:
    later = {"replaced": {"acme-portal": {"version": "1.0.1"}}, "added": []}
    plan = planned(step("app1", "unknown", way_back=BACK), step("app1", name="patch_again", way_back=later))
    assert plan.hosts[0].versions == {"acme-portal": "1.0.0"}


def test_the_blast_radius_says_it_all() -> None:
    text = planned(step("app1", way_back=BACK, **CHANGED), step("db1", "unknown")).blast_radius
    assert "Rollback of SUT-2026-0001" in text
    assert "1. data: `db1` [ring_1] it is not known what happened" in text
    assert "2. web: `app1` [canary] the replaced packages were kept" in text
    assert "acme-portal back to 1.0.0, 1 taken out" in text
    assert "Not touched: app2, app3." in text
    assert "may notice: edge" in text
    assert "Never offered again: acme-portal 1.0.2" in text


def test_nothing_touched_brings_nothing_back_and_retires_nothing() -> None:
    plan = planned(step("stg-app1", way_back=BACK), step("app2", name="verify"))
    assert plan.hosts == ()
    assert plan.retired == ()
    assert "nothing to bring back" in plan.blast_radius
