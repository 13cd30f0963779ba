"""Four eyes, neither of them the requester's, on exactly this plan, in time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from suture.campaign import fetch_campaign, pin_packages
from suture.campaign.approvals import APPROVE, REJECT, ApprovalError, Gate, decide, eligible, require_release
from suture.model import PlannedPackage
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.unit.campaign.campaigns import NGINX, NOW, add_campaign

GATE = Gate.load(Path(PROJECT_ROOT / "include" / "policy"))


def _decide(store: Store, approver: str, seat: str, decision: str = APPROVE, plan_hash: str | None = None) -> None:
    campaign = fetch_campaign(store, "SUT-2026-0001")
    decide(
        store,
        campaign_id=campaign.campaign_id,
        gate=GATE,
        seat_name=seat,
        approver=approver,
        decision=decision,
        plan_hash=plan_hash or campaign.plan_hash,
        at=NOW,
    )


def test_two_different_people_release(store: Store) -> None:
    add_campaign(store)
    _decide(store, "vera", "first")
    campaign = fetch_campaign(store, "SUT-2026-0001")
    assert eligible(store, campaign, GATE, "second") == ("amir",)
    with pytest.raises(ApprovalError, match="second seat"):
        require_release(store, campaign, GATE, at=NOW)
    _decide(store, "amir", "second")
    assert require_release(store, campaign, GATE, at=NOW) == ["vera", "amir"]


def test_nobody_takes_both_seats_and_the_try_is_evidence(store: Store) -> None:
    add_campaign(store)
    _decide(store, "vera", "first")
    with pytest.raises(ApprovalError, match="already decided"):
        _decide(store, "vera", "second")
    actions = [row["action"] for row in store.fetch_all("evidence/list_evidence", {"campaign_id": None})]
    assert actions[-1] == "approval_refused"


@pytest.mark.parametrize(("approver", "why"), [("olga", "requested"), ("rosa", "no approver")])
def test_the_requester_and_strangers_are_refused(store: Store, approver: str, why: str) -> None:
    add_campaign(store)
    with pytest.raises(ApprovalError, match=why):
        _decide(store, approver, "first")


def test_an_approval_is_for_one_plan_only(store: Store) -> None:
    add_campaign(store)
    shown = fetch_campaign(store, "SUT-2026-0001").plan_hash
    proven = PlannedPackage(**{**NGINX.as_json(), "sha256": "a" * 64, "size_bytes": 1, "filename": "pool/n.deb"})
    pin_packages(store, "SUT-2026-0001", [proven], actor="test")
    with pytest.raises(ApprovalError, match="plan changed"):
        _decide(store, "vera", "first", plan_hash=shown)


def test_an_expired_approval_or_a_rejection_does_not_hold(store: Store) -> None:
    add_campaign(store)
    _decide(store, "vera", "first")
    _decide(store, "amir", "second", REJECT)
    campaign = fetch_campaign(store, "SUT-2026-0001")
    with pytest.raises(ApprovalError, match="rejected by amir"):
        require_release(store, campaign, GATE, at=NOW)
    with pytest.raises(ApprovalError, match="expired"):
        require_release(store, campaign, GATE, at=NOW + GATE.validity + timedelta(seconds=1))
