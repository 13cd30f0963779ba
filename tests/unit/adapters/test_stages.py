"""The stages' moves when their task is tried again: what an earlier try did is not done twice, and is not lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from suture.campaign import CampaignState, fetch_campaign, move
from suture.campaign.approvals import APPROVE, Gate, decide
from suture.settings import Settings
from suture.store import Store
from suture_airflow.stages import approval, compliance, rollout, staging
from tests.unit.staging.mirrored import Offered, Published

from .conftest import CAMPAIGN

_S = CampaignState


def release(store: Store) -> None:
    gate = Gate.load(Settings.load().policy_dir)
    plan_hash = fetch_campaign(store, CAMPAIGN).plan_hash
    for seat, who in (("first", "vera"), ("second", "amir")):
        decide(
            store,
            campaign_id=CAMPAIGN,
            gate=gate,
            seat_name=seat,
            approver=who,
            decision=APPROVE,
            plan_hash=plan_hash,
        )


def go(store: Store, *way: CampaignState) -> None:
    for to in way:
        move(store, CAMPAIGN, expected=fetch_campaign(store, CAMPAIGN).state, to=to, actor="test", reason="test")


def test_each_end_of_a_stage_may_be_told_twice(
    released: Store, context: Any, actions: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    release(released)
    monkeypatch.setattr(rollout, "repository_for", lambda *_: Published(packages=[Offered(sha256="0" * 64)]))
    monkeypatch.setattr(rollout.gate, "require_counted", lambda *_, **__: {"snapshot_check": "test_staging_stage has it"})
    assert approval.release(context) == ["vera", "amir"]  # approved already: the first try died after its move
    rollout.start(context)
    rollout.start(context)
    rollout.conclude(context)
    moves = actions().count("campaign_moved")
    rollout.conclude(context)
    assert fetch_campaign(released, CAMPAIGN).state is _S.VERIFIED
    assert actions().count("campaign_moved") == moves
    assert compliance.close_campaign(context) == CAMPAIGN
    assert compliance.close_campaign(context) == CAMPAIGN
    assert fetch_campaign(released, CAMPAIGN).state is _S.CLOSED


def test_a_stage_is_not_concluded_from_elsewhere(released: Store, context: Any) -> None:
    go(released, _S.ROLLING_OUT, _S.HALTED)
    with pytest.raises(Exception, match="is halted, not rolling_out"):
        rollout.conclude(context)
    with pytest.raises(Exception, match="not validated"):
        staging.conclude(context)
    assert fetch_campaign(released, CAMPAIGN).state is _S.HALTED
