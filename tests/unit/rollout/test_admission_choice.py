"""Admission and the weighed window: it waits for it only where the policy steers, and never past the deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from suture.campaign import CampaignState, create_campaign, fetch_campaign, move
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.rollout.admission import admit
from suture.rollout.candidates import candidates_of, next_candidates
from suture.rollout.windows import WindowPolicy
from suture.settings import PROJECT_ROOT
from suture.store import Json, Store
from tests.fleet_rows import add_host

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
NAME = "SUT-2026-0001"
AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
TONIGHT = datetime(2026, 11, 27, 0, 0, tzinfo=UTC)  # `nightly`: 01:00 in Zurich


@pytest.fixture
def approved(store: Store) -> Store:
    add_host(store, "app1")
    package = PlannedPackage("nginx", "amd64", "2", "nginx", "2", sha256="0" * 64)
    create_campaign(
        store, campaign_id=NAME, title="t", requested_by="olga", priority=Priority.SCHEDULED, deadline=AT + timedelta(days=7),
        plan=CampaignPlan("web", "debian", "nightly", {Ring.CANARY: ("app1",)}, (package,)), reasons=["test"],
    )  # fmt: skip
    way = (CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED)
    for before, after in pairwise(way):
        move(store, NAME, expected=before, to=after, actor="test", reason="test")
    return store


def choose(store: Store, days: int, *, steers: bool, refused: bool = False) -> None:
    start = None if refused else TONIGHT + timedelta(days=days)
    store.execute(
        "window_choice/upsert_window_choice",
        {"campaign_id": NAME, "window_name": "nightly", "chosen_start": start, "chosen_end": start and start + timedelta(hours=3),
         "refused": refused, "steers": steers, "sentence": "test", "arithmetic": Json({}), "weighed_at": AT},
    )  # fmt: skip


def begins(store: Store) -> datetime:
    return admit(store, fetch_campaign(store, NAME), POLICY_DIR, AT).opening.start


def test_shown_only_it_changes_nothing(approved: Store) -> None:
    assert begins(approved) == TONIGHT
    choose(approved, 3, steers=False)
    assert begins(approved) == TONIGHT


def test_where_it_steers_admission_waits_for_the_chosen_window(approved: Store) -> None:
    choose(approved, 3, steers=True)
    assert begins(approved) == TONIGHT + timedelta(days=3)


@pytest.mark.parametrize(("days", "refused"), [(30, False), (0, True)])
def test_never_past_the_deadline_and_not_on_a_refusal(approved: Store, days: int, refused: bool) -> None:
    choose(approved, days, steers=True, refused=refused)
    assert begins(approved) == TONIGHT


def test_a_halted_campaign_that_is_taken_up_again_does_not_wait(approved: Store) -> None:
    choose(approved, 3, steers=True)
    for before, after in pairwise((CampaignState.APPROVED, CampaignState.ROLLING_OUT, CampaignState.HALTED)):
        move(approved, NAME, expected=before, to=after, actor="test", reason="test")
    assert begins(approved) == TONIGHT


def test_candidates_of_a_campaign_fit_its_needed_time(approved: Store) -> None:
    found = candidates_of(approved, POLICY_DIR, count=4)(fetch_campaign(approved, NAME), AT)
    assert [one.start for one in found.windows] == [TONIGHT + timedelta(days=n) for n in range(4)]
    assert all(one.fits for one in found.windows)
    assert found.refusal is None


def test_candidates_show_short_openings_and_the_refusal() -> None:
    windows = WindowPolicy.load(POLICY_DIR)
    found = next_candidates(windows, "sunday", AT, timedelta(hours=4, minutes=30), count=1)
    assert [one.fits for one in found.windows] == [False, False]
    refused = next_candidates(windows, "nightly", AT, timedelta(hours=5), count=3)
    assert refused.refusal is not None
    assert "2 h 00 min too little" in refused.refusal
    under_way = next_candidates(windows, "nightly", TONIGHT + timedelta(hours=1), timedelta(hours=1), count=1).windows[0]
    assert (under_way.start, under_way.end - under_way.start) == (TONIGHT + timedelta(hours=1), timedelta(hours=2))
