"""Admission: when a campaign may start, and how much time it needs for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from suture.campaign import Campaign, CampaignState
from suture.campaign.window_moves import require_window
from suture.errors import SutureError
from suture.model import Ring
from suture.model.assets import AssetRegister
from suture.rollout.rings import RingPolicy
from suture.rollout.trials import PATCH_PHASE
from suture.rollout.windows import Opening, Refusal, WindowPolicy, next_window
from suture.rollout.wording import spoken
from suture.store import Store

# A halted campaign may be taken up again; what was declined or superseded meanwhile must not start.
MAY_START = frozenset({CampaignState.APPROVED, CampaignState.ROLLING_OUT, CampaignState.HALTED})


class AdmissionError(SutureError):
    """A campaign that may not start: refused by its window, or no longer released."""


@dataclass(frozen=True)
class Admission:
    """The opening that a campaign gets, and the time that it needs of it."""

    campaign_id: str
    opening: Opening
    needed: timedelta
    deadline: datetime | None

    def is_open(self, at: datetime) -> bool:
        return self.opening.is_open(at) and self.opening.remaining(at) >= self.needed

    @property
    def sentence(self) -> str:
        local = self.opening.start.astimezone(ZoneInfo(self.opening.time_zone))
        late = ""
        if self.deadline is not None and self.opening.start > self.deadline:
            late = f" That is after its deadline, {self.deadline:%Y-%m-%d %H:%M} UTC."
        return (
            f"{self.campaign_id} needs {spoken(self.needed)} of the window {self.opening.window!r}, which opens"
            f" {local:%a %Y-%m-%d %H:%M %Z} ({self.opening.start:%Y-%m-%d %H:%M} UTC) for"
            f" {spoken(self.opening.duration)}.{late}"
        )

    def as_json(self) -> Mapping[str, Any]:
        return {**self.opening.as_json(), "needed_seconds": int(self.needed.total_seconds())}


def admit(store: Store, campaign: Campaign, policy_dir: Path, at: datetime) -> Admission:
    """The first opening from `at` on that the campaign fits into; where exposure.yaml steers, from its chosen window on.

    Raises AdmissionError when none does, or when the campaign is in a state from which nothing may start;
    WindowMoveError when its window is not its plan's and nobody released that.
    """
    if campaign.state not in MAY_START:
        raise AdmissionError(
            f"{campaign.campaign_id} is {campaign.state}: nothing of it is rolled out. ({campaign.state_reason})"
        )
    require_window(store, campaign)
    needed = needed_time(store, campaign, policy_dir)
    windows = WindowPolicy.load(policy_dir)
    answer = next_window(windows, campaign.window_name, _not_before(store, campaign, at), needed)
    if isinstance(answer, Refusal):  # the chosen window is gone or too short meanwhile: any that fits will do
        answer = next_window(windows, campaign.window_name, at, needed)
    if isinstance(answer, Refusal):
        raise AdmissionError(f"{campaign.campaign_id}: {answer.sentence}", remedy=answer.remedy)
    return Admission(campaign.campaign_id, answer, needed, campaign.deadline)


def _not_before(store: Store, campaign: Campaign, at: datetime) -> datetime:
    """`at`, or the start of the window that was chosen by weighing. Never past the deadline, and never once it has begun."""
    row = store.fetch_one("window_choice/fetch_window_choice", {"campaign_id": campaign.campaign_id})
    if row is None or not row["steers"] or row["refused"] or campaign.state is not CampaignState.APPROVED:
        return at
    chosen: datetime = row["chosen_start"]
    late = campaign.deadline is not None and chosen > campaign.deadline
    return at if late or row["window_name"] != campaign.window_name else max(at, chosen)


def needed_time(store: Store, campaign: Campaign, policy_dir: Path) -> timedelta:
    """By the group's ring plan; where staging took longer for a host than it says, by what staging took."""
    group = AssetRegister.load(policy_dir).group(campaign.plan.asset_group)
    measured = _longest_on_staging(store, campaign)
    return RingPolicy.load(policy_dir).plan_of(group).needed_time(campaign.plan, measured_per_host=measured)


def _longest_on_staging(store: Store, campaign: Campaign) -> timedelta | None:
    staging = campaign.plan.hosts(Ring.STAGING)
    rows = store.fetch_all(
        "host_step/list_finished_steps",
        {"campaign_id": campaign.campaign_id, "plan_hash": campaign.plan_hash, "phase": PATCH_PHASE},
    )
    spans: list[timedelta] = [row["finished_at"] - row["started_at"] for row in rows if row["host_id"] in staging]
    return max(spans, default=None)
