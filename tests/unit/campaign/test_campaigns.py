"""A campaign is written whole or not at all, and only proven packages are pinned to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from suture.campaign import (
    CampaignState,
    LifecycleError,
    StaleMoveError,
    create_campaign,
    fetch_campaign,
    move,
    pin_packages,
)
from suture.errors import BadInputError
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.store import Store, StoreError
from tests.unit.campaign.campaigns import NGINX, NOW, PLAN, add_campaign, add_hosts

PROVEN = replace(NGINX, sha256="a" * 64, size_bytes=512, filename="pool/nginx.deb")


def _create(store: Store, plan: CampaignPlan, campaign_id: str = "SUT-2026-0001") -> None:
    create_campaign(
        store,
        campaign_id=campaign_id,
        title="t",
        requested_by="olga",
        priority=Priority.SCHEDULED,
        deadline=NOW,
        plan=plan,
        reasons=["r"],
        at=NOW,
    )


def test_a_campaign_comes_back_as_it_was_written(store: Store) -> None:
    campaign = fetch_campaign(store, add_campaign(store))
    assert campaign.state is CampaignState.PLANNED
    assert campaign.plan == PLAN
    assert campaign.plan_hash == PLAN.hash == campaign.plan.hash
    hosts = store.fetch_all("campaign/list_campaign_hosts", {"campaign_id": campaign.campaign_id})
    assert {(row["host_id"], row["ring"]) for row in hosts} == {
        ("stg-app1", "staging"), ("app1", "canary"), ("app2", "ring_1"),
    }  # fmt: skip


def test_an_empty_selector_means_none_never_all(store: Store) -> None:
    add_hosts(store)
    with pytest.raises(BadInputError, match="never all"):
        _create(store, replace(PLAN, rings={Ring.STAGING: ("stg-app1",)}))
    with pytest.raises(BadInputError, match="no package"):
        _create(store, replace(PLAN, packages=()))
    assert store.fetch_all("campaign/list_campaigns", {"state": None}) == []


def test_a_host_that_is_unknown_leaves_no_half_campaign(store: Store) -> None:
    add_hosts(store)
    with pytest.raises(StoreError):
        _create(store, replace(PLAN, rings={**PLAN.rings, Ring.RING_3: ("nobody",)}))
    assert store.fetch_all("campaign/list_campaigns", {"state": None}) == []
    assert store.fetch_all("evidence/list_evidence", {"campaign_id": None}) == []


def test_a_campaign_id_is_used_once(store: Store) -> None:
    add_campaign(store)
    with pytest.raises(StoreError, match="campaign_pkey"):
        _create(store, PLAN)


def test_a_campaign_that_is_not_there_is_said_to_be_missing(store: Store) -> None:
    with pytest.raises(LifecycleError, match="no campaign"):
        fetch_campaign(store, "SUT-0")


def test_pinning_changes_the_plan_hash_and_says_so_in_evidence(store: Store) -> None:
    campaign_id = add_campaign(store)
    before = fetch_campaign(store, campaign_id).plan_hash
    after = pin_packages(store, campaign_id, [PROVEN], actor="test")
    campaign = fetch_campaign(store, campaign_id)
    assert after == campaign.plan_hash != before
    assert campaign.plan.packages == (PROVEN,)
    assert store.fetch_all("campaign/list_campaign_packages", {"campaign_id": campaign_id})[0]["sha256"] == "a" * 64
    last = store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})[-1]
    assert (last["action"], last["grounds"]["plan_hash_before"]) == ("plan_pinned", before)


def test_pinning_the_same_again_writes_nothing(store: Store) -> None:
    campaign_id = add_campaign(store)
    pin_packages(store, campaign_id, [PROVEN], actor="test")
    count = len(store.fetch_all("evidence/list_evidence", {"campaign_id": None}))
    pin_packages(store, campaign_id, [PROVEN], actor="test")
    assert len(store.fetch_all("evidence/list_evidence", {"campaign_id": None})) == count


def test_pinning_drops_packages_that_the_proof_dropped(store: Store) -> None:
    """The table follows the plan: what is no longer planned must not stand there as if it were."""
    campaign_id = add_campaign(store, plan=replace(PLAN, packages=(NGINX, replace(NGINX, package="nginx-common"))))
    pin_packages(store, campaign_id, [PROVEN], actor="test")
    rows = store.fetch_all("campaign/list_campaign_packages", {"campaign_id": campaign_id})
    assert [row["package"] for row in rows] == ["nginx"]


def test_an_unproven_package_is_not_pinned(store: Store) -> None:
    with pytest.raises(BadInputError, match="nginx"):
        pin_packages(store, add_campaign(store), [NGINX], actor="test")


def test_nothing_is_pinned_after_planning(store: Store) -> None:
    campaign_id = add_campaign(store)
    move(store, campaign_id, expected=CampaignState.PLANNED, to=CampaignState.VALIDATED, actor="test", reason="Proven.")
    with pytest.raises(StaleMoveError, match="validated"):
        pin_packages(store, campaign_id, [PROVEN], actor="test")


def test_the_plan_hash_does_not_mind_order_but_minds_everything_else() -> None:
    other: PlannedPackage = replace(NGINX, package="openssl")
    plan = replace(PLAN, packages=(NGINX, other))
    assert plan.hash == replace(PLAN, packages=(other, NGINX)).hash
    assert CampaignPlan.from_json(plan.as_json()).hash == plan.hash
    changed = [
        replace(plan, packages=(NGINX,)),
        replace(plan, packages=(NGINX, replace(other, version="2"))),
        replace(plan, rings={**plan.rings, Ring.RING_1: ("app2", "app3")}),
        replace(plan, max_unavailable=2),
        replace(plan, window_name="always"),
        replace(plan, extra={"reboot": True}),
    ]
    assert len({plan.hash, *(other_plan.hash for other_plan in changed)}) == len(changed) + 1
