"""A KEV entry added today re-plans what was on a monthly cadence, within one sync; and no move goes around an approval."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from suture.campaign import Campaign, CampaignState, fetch_campaign, move
from suture.campaign.approvals import APPROVE, Gate, decide, require_release
from suture.campaign.window_moves import (
    WindowMoveError,
    answer_move,
    lapse_overdue,
    moves_of,
    open_move,
    require_window,
)
from suture.model import Priority
from suture.model.assets import AssetRegister
from suture.risk.acceptance_watch import watch_acceptances
from suture.risk.planning import PlanningPolicy, plan_campaigns
from suture.risk.urgency import watch_threats
from suture.risk.urgency_campaigns import HastenCounts, hasten_campaigns, plan_in_lanes
from suture.risk.urgency_policy import UrgencyPolicy
from suture.rollout.admission import admit, needed_time
from suture.rollout.windows import Refusal, WindowPolicy, next_window
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.risk.acceptances import (
    NGINX,
    accept,
    add_fleet,
    add_kev,
    first_is_canary,
    risk,
    say_exploitation,
    score,
    statuses,
)

pytestmark = pytest.mark.database
LATER = NOW + timedelta(hours=2)
APPROVERS = ("amir", "vera", "rosa")


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """The project's, with the web group on a monthly window and the emergency lane the only one that is earlier."""
    for path in (PROJECT_ROOT / "include" / "policy").glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"))
    windows = yaml.safe_load((tmp_path / "windows.yaml").read_text("utf-8"))
    monthly = {"first": "2026-01-13T22:00", "rule": "FREQ=MONTHLY;BYDAY=2TU", "duration": "PT5H"}
    windows["windows"].append({"name": "monthly", "time_zone": "Europe/Zurich", "openings": [monthly]})
    (tmp_path / "windows.yaml").write_text(yaml.safe_dump(windows))
    assets = (tmp_path / "assets.yaml").read_text("utf-8").replace("window: nightly", "window: monthly")
    (tmp_path / "assets.yaml").write_text(assets)
    urgency = yaml.safe_load((tmp_path / "urgency.yaml").read_text("utf-8"))
    urgency["lanes"] = [{"window": "emergency", "priorities": ["immediate", "out_of_cycle"]}]
    (tmp_path / "urgency.yaml").write_text(yaml.safe_dump(urgency))
    return tmp_path


@pytest.fixture
def fleet(store: Store) -> Store:
    add_fleet(store)
    score(store)
    assert watch_threats(store, UrgencyPolicy.load(PROJECT_ROOT / "include" / "policy"), now=NOW) == []
    return store


def sync(store: Store, policies: Path, now: datetime) -> tuple[list[str], HastenCounts]:
    """What feed_sync's last task and risk_scoring do after one sync, in their order; new campaigns, and what was hastened."""
    urgency, windows = UrgencyPolicy.load(policies), WindowPolicy.load(policies)
    watch_threats(store, urgency, now=now)
    score(store, now)
    watch_acceptances(store, risk(), now=now)

    def opens(campaign: Campaign, window: str) -> datetime | None:
        answer = next_window(windows, window, now, needed_time(store, campaign, policies))
        return None if isinstance(answer, Refusal) else max(answer.start, now)

    hastened = hasten_campaigns(store, urgency, opens=opens, now=now)

    def plan() -> list[str]:
        planning, register = PlanningPolicy.load(policies), AssetRegister.load(policies)
        return plan_campaigns(store, planning, register, ring_plan=first_is_canary, now=now)

    return plan_in_lanes(store, urgency, plan, opens=opens, now=now), hastened


def go(store: Store, campaign_id: str, *way: CampaignState) -> None:
    for to in way:
        move(store, campaign_id, expected=fetch_campaign(store, campaign_id).state, to=to, actor="test", reason="test")


def release(store: Store, campaign_id: str) -> None:
    gate = Gate.load(PROJECT_ROOT / "include" / "policy")
    plan_hash = fetch_campaign(store, campaign_id).plan_hash
    for seat, who in (("first", "vera"), ("second", "amir")):
        decide(store, campaign_id=campaign_id, gate=gate, seat_name=seat, approver=who, decision=APPROVE,
               plan_hash=plan_hash, at=NOW)  # fmt: skip
    require_release(store, fetch_campaign(store, campaign_id), gate, at=LATER)


def answer(store: Store, campaign_id: str, who: str | None, **other: Any) -> str:
    given = {"release": True, "comment": None, "at": LATER, "approvers": APPROVERS, **other}
    move_id = given.pop("move_id", None) or open_move(store, campaign_id)["move_id"]
    return answer_move(store, campaign_id, move_id=move_id, who=who, **given)


def exploit(store: Store) -> None:
    add_kev(store, NGINX, LATER.date(), due=(LATER + timedelta(days=3)).date())


def test_a_kev_entry_replans_a_planned_campaign_on_monthly_cadence_within_one_sync(fleet: Store, policies: Path) -> None:
    ((before,), _) = sync(fleet, policies, NOW)
    assert (fetch_campaign(fleet, before).window_name, fetch_campaign(fleet, before).priority) == ("monthly", "scheduled")
    exploit(fleet)
    ((after,), hastened) = sync(fleet, policies, LATER)
    old, new = fetch_campaign(fleet, before), fetch_campaign(fleet, after)
    assert old.state is CampaignState.SUPERSEDED
    assert "catalogue of exploited" in old.state_reason
    assert (new.window_name, new.plan.window_name, new.priority) == ("emergency", "emergency", Priority.OUT_OF_CYCLE)
    assert new.plan_hash == new.plan.hash
    assert new.deadline is not None
    assert new.deadline <= LATER + timedelta(days=4)
    assert any("catalogue of exploited" in str(reason) for reason in new.reasons)
    require_window(fleet, new)
    assert hastened == HastenCounts((before,), ())
    assert sync(fleet, policies, LATER + timedelta(hours=1)) == ([], HastenCounts((), ()))  # once is enough


def test_what_was_accepted_or_not_planned_yet_goes_straight_to_the_lane(fleet: Store, policies: Path) -> None:
    accept(fleet)
    sync(fleet, policies, NOW)
    exploit(fleet)
    ((new,), _) = sync(fleet, policies, LATER)
    assert "accepted" not in statuses(fleet).values()
    campaign = fetch_campaign(fleet, new)
    assert {package.source_package for package in campaign.plan.packages} == {"nginx"}
    assert campaign.window_name == "emergency"


def test_without_a_change_of_urgency_nothing_leaves_its_window(fleet: Store, policies: Path) -> None:
    ((before,), _) = sync(fleet, policies, NOW)
    assert sync(fleet, policies, LATER) == ([], HastenCounts((), ()))
    assert fetch_campaign(fleet, before).state is CampaignState.PLANNED


@pytest.fixture
def approved(fleet: Store, policies: Path) -> str:
    """A campaign on the monthly window, released by two people; then its CVE is exploited, and one sync has run."""
    ((campaign_id,), _) = sync(fleet, policies, NOW)
    go(fleet, campaign_id, CampaignState.VALIDATED, CampaignState.TESTED)
    release(fleet, campaign_id)
    go(fleet, campaign_id, CampaignState.APPROVED)
    exploit(fleet)
    assert sync(fleet, policies, LATER) == ([], HastenCounts((campaign_id,), (campaign_id,)))
    return campaign_id


def test_an_approved_campaign_is_raised_but_keeps_window_plan_and_approvals_until_a_person_moves_it(
    fleet: Store, policies: Path, approved: str
) -> None:
    campaign = fetch_campaign(fleet, approved)
    assert (campaign.state, campaign.window_name) == (CampaignState.APPROVED, "monthly")
    assert campaign.priority is Priority.OUT_OF_CYCLE
    require_release(fleet, campaign, Gate.load(policies), at=LATER)
    assert admit(fleet, campaign, policies, LATER).opening.window == "monthly"
    assert answer(fleet, approved, "rosa") == "released"
    moved = fetch_campaign(fleet, approved)
    assert (moved.window_name, moved.plan, moved.plan_hash) == ("emergency", campaign.plan, campaign.plan_hash)
    require_release(fleet, moved, Gate.load(policies), at=LATER)
    assert admit(fleet, moved, policies, LATER).is_open(LATER)
    actions = [row["action"] for row in fleet.fetch_all("evidence/list_evidence", {"campaign_id": approved})]
    assert actions[-3:] == ["campaign_hastened", "window_move_proposed", "window_move_released"]
    assert answer(fleet, approved, "rosa", move_id=moves_of(fleet, approved)[0]["move_id"]) == "released"  # told again


@pytest.mark.parametrize("who", ["olga", "nils", "", "role:admin"])
def test_neither_the_requester_nor_a_stranger_moves_it(fleet: Store, approved: str, who: str) -> None:
    with pytest.raises(WindowMoveError, match="may not move"):
        answer(fleet, approved, who, approvers=(*APPROVERS, "olga"))
    assert fetch_campaign(fleet, approved).window_name == "monthly"


def test_no_and_silence_keep_the_window_and_it_is_not_asked_again_for_the_same(
    fleet: Store, policies: Path, approved: str
) -> None:
    assert answer(fleet, approved, "rosa", release=False) == "refused"
    assert sync(fleet, policies, LATER + timedelta(hours=1)) == ([], HastenCounts((), ()))
    assert fetch_campaign(fleet, approved).window_name == "monthly"
    say_exploitation(fleet, NGINX, "active")  # something new: asked again
    assert sync(fleet, policies, LATER + timedelta(hours=2))[1].proposed == (approved,)
    assert lapse_overdue(fleet, at=LATER + timedelta(hours=7)) == [approved]
    assert [row["state"] for row in moves_of(fleet, approved)] == ["lapsed", "refused"]
    with pytest.raises(WindowMoveError, match="waits for an answer"):
        open_move(fleet, approved)


def test_a_window_that_nobody_released_starts_nothing(fleet: Store, policies: Path, approved: str) -> None:
    fleet._connection.execute("UPDATE campaign SET window_name = 'emergency'")
    with pytest.raises(WindowMoveError, match="nobody released that move"):
        admit(fleet, fetch_campaign(fleet, approved), policies, LATER)


def test_a_released_move_is_for_its_plan_alone(fleet: Store, approved: str) -> None:
    answer(fleet, approved, "rosa")
    fleet._connection.execute("UPDATE campaign SET plan_hash = 'another'")
    with pytest.raises(WindowMoveError, match="for this plan"):
        require_window(fleet, fetch_campaign(fleet, approved))


def test_what_rolls_already_is_not_moved(fleet: Store, policies: Path, approved: str) -> None:
    go(fleet, approved, CampaignState.ROLLING_OUT)
    assert answer(fleet, approved, "rosa") == "lapsed"
    assert fetch_campaign(fleet, approved).window_name == "monthly"
    say_exploitation(fleet, NGINX, "active")
    assert sync(fleet, policies, LATER + timedelta(hours=1))[1] == HastenCounts((), ())
