"""Rings: who goes first, who is compared with whom, and how many may be out at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.model import PRODUCTION_RINGS, CampaignPlan, PlannedPackage, Ring
from suture.model.assets import AssetRegister
from suture.rollout.rings import (
    RingError,
    RingPlan,
    RingPolicy,
    control_hosts,
)
from suture.settings import PROJECT_ROOT

POLICIES = PROJECT_ROOT / "include" / "policy"
CAREFUL = RingPolicy.load(POLICIES).plans["careful"]
WEB = [f"app{n}" for n in range(1, 7)]


def campaign(rings: dict[Ring, tuple[str, ...]], max_unavailable: int = 1) -> CampaignPlan:
    package = PlannedPackage("p", "amd64", "1", "p", "1", sha256="0" * 64)
    return CampaignPlan("web", "vendor", "nightly", rings, (package,), max_unavailable=max_unavailable)


@settings(deadline=None)
@given(count=st.integers(0, 200), canaries=st.integers(1, 5), first=st.floats(0.01, 0.9))
def test_every_host_is_in_exactly_one_ring(count: int, canaries: int, first: float) -> None:
    plan = RingPlan("p", canaries, {Ring.RING_1: first, Ring.RING_3: 1.0}, *[timedelta(minutes=1)] * 3)
    hosts = [f"h{n}" for n in range(count)]
    rings = plan.assign(dict.fromkeys(hosts, "web"))
    assert set(rings) == set(PRODUCTION_RINGS)
    assert sorted(host for members in rings.values() for host in members) == sorted(hosts)
    assert len(rings[Ring.CANARY]) == min(canaries, count)
    assert rings[Ring.RING_2] == ()


def test_the_order_is_stable_and_a_new_host_moves_hardly_anybody() -> None:
    before = CAREFUL.assign(dict.fromkeys((f"h{n}" for n in range(100)), "web"))
    again = CAREFUL.assign(dict.fromkeys((f"h{n}" for n in reversed(range(100))), "web"))
    assert before == again
    after = CAREFUL.assign(dict.fromkeys((f"h{n}" for n in range(101)), "web"))
    ring_of = {host: ring for ring, hosts in before.items() for host in hosts}
    moved = [h for ring, hosts in after.items() for h in hosts if h in ring_of and ring_of[h] != ring]
    assert len(moved) <= 3


def test_roles_are_mixed_in_every_ring() -> None:
    roles = {f"app{n}": "app" for n in range(60)} | {f"db{n}": "db" for n in range(30)}
    rings = CAREFUL.assign(roles)
    for ring in (Ring.RING_1, Ring.RING_2, Ring.RING_3):
        databases = sum(host.startswith("db") for host in rings[ring])
        assert databases == pytest.approx(len(rings[ring]) / 3, abs=1)


def test_the_lab_fleet() -> None:
    register = AssetRegister.load(POLICIES)
    rings = RingPolicy.load(POLICIES).ring_plan(register.group("web"), WEB)
    assert [len(rings[ring]) for ring in PRODUCTION_RINGS] == [1, 1, 2, 2]
    with pytest.raises(RingError, match="staging"):
        RingPolicy.load(POLICIES).ring_plan(register.group("staging"), ["stg-app1"])


def test_control_is_who_is_not_yet_patched_then_who_was_judged() -> None:
    plan = campaign({Ring.CANARY: ("a",), Ring.RING_1: ("b", "c"), Ring.RING_2: ("d",), Ring.STAGING: ("s",)})
    assert control_hosts(plan, Ring.CANARY) == ("b", "c", "d")
    assert control_hosts(plan, Ring.RING_1) == ("d",)
    assert control_hosts(plan, Ring.RING_2) == ("a", "b", "c")
    assert control_hosts(campaign({Ring.CANARY: ("a",)}), Ring.CANARY) == ()


def test_needed_time_counts_batches_judgements_and_the_reserve() -> None:
    rings = {Ring.CANARY: ("a",), Ring.RING_1: ("b", "c", "d")}
    assert CAREFUL.needed_time(campaign(rings)) == timedelta(minutes=30 + 4 * 8 + 2 * 10)
    assert CAREFUL.needed_time(campaign(rings, 2)) == timedelta(minutes=30 + 3 * 8 + 2 * 10)
    measured = CAREFUL.needed_time(campaign(rings), measured_per_host=timedelta(minutes=20))
    assert measured == timedelta(minutes=30 + 4 * 20 + 2 * 10)


@pytest.mark.parametrize("shares", ["{ring_1: 0.5}", "{ring_1: 0.8, ring_2: 0.5, ring_3: 1.0}"])
def test_shares_must_ascend_to_one(tmp_path: Path, shares: str) -> None:
    text = (POLICIES / "rings.yaml").read_text().replace("{ring_1: 0.5, ring_2: 1.0}", shares)
    (tmp_path / "rings.yaml").write_text(text)
    with pytest.raises(RingError, match="must ascend and end at 1"):
        RingPolicy.load(tmp_path)
