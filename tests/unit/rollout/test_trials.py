"""With whom a campaign of one ring is compared: the hosts of its group that it leaves alone, and only while they serve."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from suture.campaign import fetch_campaign
from suture.model import Ring
from suture.rollout.judge_rules import JudgePolicy
from suture.rollout.trials import trial_of_ring
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import add_host
from tests.unit.campaign.campaigns import PLAN, add_campaign

pytestmark = pytest.mark.database
CAMPAIGN = "SUT-2026-0001"
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def control(store: Store, rings: dict[Ring, tuple[str, ...]]) -> tuple[str, ...]:
    plan = replace(PLAN, rings={**PLAN.rings, **rings})
    add_campaign(store, CAMPAIGN, plan)
    columns = ("campaign_id", "host_id", "phase", "plan_hash", "status", "token", "started_at", "finished_at")
    store.copy_rows("host_step", columns, [(CAMPAIGN, "app1", "patch", plan.hash, "done", 1, NOW, NOW)])
    rules = JudgePolicy.load(PROJECT_ROOT / "include" / "policy").for_service("portal")
    trial = trial_of_ring(store, fetch_campaign(store, CAMPAIGN), Ring.CANARY, rules, NOW)
    assert trial is not None
    return trial.control


def test_a_campaign_of_several_rings_is_compared_with_its_own(store: Store) -> None:
    add_host(store, "app9")
    assert control(store, {}) == ("app2",)


def test_a_campaign_of_one_ring_is_compared_with_the_rest_of_its_group_that_serves(store: Store) -> None:
    for host in ("app7", "app8", "app9"):
        add_host(store, host)
    add_host(store, "db1", asset_group="data")
    add_host(store, "stg-app9", environment="staging")
    store._connection.execute("UPDATE host SET reachable = false WHERE host_id = 'app8'")
    store._connection.execute("UPDATE host SET retired_at = now() WHERE host_id = 'app7'")
    assert control(store, {Ring.RING_1: ()}) == ("app9",)


def test_a_group_without_another_host_has_no_control(store: Store) -> None:
    assert control(store, {Ring.RING_1: ()}) == ()
