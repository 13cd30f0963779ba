"""Weighing campaigns on a real warehouse: what is known of their CVEs, measured minutes, the kept choice, its evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from suture.campaign import Campaign, CampaignState, create_campaign, fetch_campaign, move
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.model.assets import AssetRegister
from suture.model.candidate import Candidates, CandidateWindow
from suture.model.recurrence import WindowError
from suture.risk.exposure_cost import ExposurePolicy
from suture.risk.window_choice import weigh_campaigns, window_choices
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW, add_advisory, add_host

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
RULES = ExposurePolicy.load(POLICY_DIR)
REGISTER = AssetRegister.load(POLICY_DIR)
NAME = "SUT-2026-0001"
HOUR = timedelta(hours=1)


def add_campaign(store: Store, name: str = NAME, *, group: str = "data", window: str = "sunday") -> None:
    add_host(store, f"{group}1", asset_group=group)
    advisory = add_advisory(store, f"expat-{group}", "2", cves=("CVE-2026-0001", "CVE-2026-0002"))
    package = PlannedPackage("expat", "amd64", "2", f"expat-{group}", "2", advisory_id=advisory)
    plan = CampaignPlan(group, "debian-security", window, {Ring.CANARY: (f"{group}1",)}, (package,))
    create_campaign(
        store, campaign_id=name, title=name, requested_by="olga", priority=Priority.SCHEDULED,
        deadline=NOW + timedelta(days=30), plan=plan, reasons=["test"], at=NOW,
    )  # fmt: skip


def opens(*hours: int) -> Candidates:
    starts = [NOW + HOUR * number for number in hours]
    return Candidates(tuple(CandidateWindow("sunday", "UTC", start, start + 4 * HOUR, HOUR) for start in starts))


def openings(_campaign: Campaign, _at: datetime) -> Candidates:
    return opens(24, 48)


def weighed(store: Store, *, rules: ExposurePolicy = RULES, at: datetime = NOW) -> dict[str, object]:
    found = weigh_campaigns(store, rules, REGISTER, openings, now=at)
    assert found.failed == {}
    (shown,) = window_choices(store)
    return shown


def records(store: Store) -> int:
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": NAME})
    return sum(1 for row in rows if row["action"] == "window_weighed")


def test_the_choice_is_kept_with_its_arithmetic_and_is_evidence_once(store: Store) -> None:
    add_campaign(store)
    store.copy_rows(
        "epss", ["cve_id", "probability", "percentile", "score_date", "model_version"],
        [("CVE-2026-0001", 0.2, 0.9, NOW.date(), "v4"), ("CVE-2026-0002", 0.4, 0.9, NOW.date(), "v4")],
    )  # fmt: skip
    shown = weighed(store)
    arithmetic = shown["arithmetic"]["arithmetic"]  # type: ignore[index]
    assert "the highest EPSS of the CVEs (2 known) is 0.400" in arithmetic["hazard"]
    assert (arithmetic["hosts"], arithmetic["minutes_measured"]) == (1, False)
    assert shown["chosen_start"] == (NOW + 24 * HOUR).isoformat()
    assert records(store) == 1
    weighed(store, at=NOW + HOUR)
    assert records(store) == 1  # the same opening: nothing new to record
    store.copy_rows("kev", ["cve_id", "date_added"], [("CVE-2026-0002", NOW.date())])
    shown = weighed(store, at=NOW + 2 * HOUR)
    assert "CVE-2026-0002 is exploited" in shown["arithmetic"]["arithmetic"]["hazard"]  # type: ignore[index]


def test_minutes_are_the_median_of_what_was_measured(store: Store) -> None:
    add_campaign(store)
    columns = ("campaign_id", "host_id", "phase", "plan_hash", "status", "token", "started_at", "finished_at")
    store.copy_rows(
        "host_step", columns,
        [(NAME, "data1", "patch", f"hash{n}", "done", 1, NOW, NOW + timedelta(minutes=n)) for n in (1, 7, 20)],
    )  # fmt: skip
    arithmetic = weighed(store)["arithmetic"]["arithmetic"]  # type: ignore[index]
    assert (arithmetic["minutes_per_host"], arithmetic["minutes_measured"]) == (7.0, True)


def test_a_window_that_cannot_be_used_stops_only_its_own_campaigns(store: Store) -> None:
    add_campaign(store)
    add_campaign(store, "SUT-2026-0002", group="web", window="nightly")

    def one_bad(campaign: Campaign, _at: datetime) -> Candidates:
        if campaign.window_name == "nightly":
            raise WindowError("windows.yaml, window 'nightly': no such zone.")
        return opens(24)

    found = weigh_campaigns(store, RULES, REGISTER, one_bad, now=NOW)
    assert set(found.choices) == {NAME}
    assert set(found.failed) == {"SUT-2026-0002"}
    assert "no such zone" in found.sentence


def test_a_refusal_is_kept_and_said(store: Store) -> None:
    add_campaign(store)
    weigh_campaigns(store, RULES, REGISTER, lambda *_: Candidates((), "The work needs 9 h: 5 h too little."), now=NOW)
    (shown,) = window_choices(store)
    assert (shown["refused"], shown["chosen_start"]) == (True, None)
    assert "5 h too little" in shown["sentence"]


def test_what_rolls_out_is_left_alone(store: Store) -> None:
    add_campaign(store)
    states = [CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED, CampaignState.APPROVED,
              CampaignState.ROLLING_OUT]  # fmt: skip
    for before, after in pairwise(states):
        move(store, NAME, expected=before, to=after, actor="test", reason="test")
    assert weigh_campaigns(store, replace(RULES, steer=True), REGISTER, openings, now=NOW).choices == {}
    assert fetch_campaign(store, NAME).state is CampaignState.ROLLING_OUT
