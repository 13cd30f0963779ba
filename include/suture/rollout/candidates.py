"""The next openings of a window as candidates for a campaign, the ones that are too short among them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from suture.campaign import Campaign
from suture.model.candidate import Candidates, CandidateWindow
from suture.model.recurrence import aware_utc
from suture.rollout.admission import needed_time
from suture.rollout.windows import HORIZON, MAX_OPENINGS_LOOKED_AT, Refusal, WindowPolicy, next_window
from suture.store import Store

CandidatesOf = Callable[[Campaign, datetime], Candidates]


def next_candidates(
    policy: WindowPolicy, name: str, at: datetime, needed: timedelta, *, count: int, horizon: timedelta = HORIZON
) -> Candidates:
    """Up to `count` openings that fit, and the shorter ones before and between them.

    Raises WindowError for a window that cannot be used. refusal: none fits within the horizon.
    """
    at = aware_utc(at, "at")
    first = next_window(policy, name, at, needed, horizon=horizon)
    window = policy.window(name)
    found: list[CandidateWindow] = []
    for opening in islice(window.openings(at, join=max(needed, timedelta(hours=24))), MAX_OPENINGS_LOOKED_AT):
        fitting = sum(1 for candidate in found if candidate.fits)
        if opening.start > at + horizon or fitting == count or len(found) == 2 * count:
            break
        found.append(CandidateWindow(name, window.time_zone, max(opening.start, at), opening.end, needed))
    return Candidates(tuple(found), str(first) if isinstance(first, Refusal) else None)


def candidates_of(store: Store, policy_dir: Path, *, count: int) -> CandidatesOf:
    """(campaign, moment) → its window's next openings with the time it needs; the policy is read once."""
    windows = WindowPolicy.load(policy_dir)

    def found(campaign: Campaign, at: datetime) -> Candidates:
        return next_candidates(windows, campaign.window_name, at, needed_time(store, campaign, policy_dir), count=count)

    return found
