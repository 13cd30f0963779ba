"""The backlog of testing: what comes in against what can be tested, and how long a campaign then waits.

The rules:

1. Arrivals are reckoned from the campaigns of the last days (policy); none in that time is a rate of zero, and said.
2. Little's law: the campaigns in the system are the rate of arrival times the time each spends there. So the mean wait is the
   backlog divided by the rate, as long as the rates stay as they are. That holds for a backlog that neither grows nor ends: one
   that is gone sooner than the mean wait (many campaigns planned on one day) makes nobody wait longer than until it is gone.
3. The backlog after each train is what it was, plus what arrives until the next, less what a train can test; never below zero.
   Arrivals at the mean rate only: a burst makes it longer, and near full use small bursts make it much longer.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from suture.wording import counted


@dataclass(frozen=True)
class Forecast:
    """minutes are QA minutes. utilisation: arrivals by capacity (None: no capacity at all). mean_wait_days: None without arrivals.
    trains_to_clear: None when the backlog never ends at these rates; days_to_clear: the same in days. steady: whether the mean
    wait says something, that is, whether it is not longer than the backlog lasts.
    """

    backlog_campaigns: int
    backlog_minutes: int
    arrivals_per_train: float
    arrival_minutes_per_train: float
    capacity_minutes: int
    utilisation: float | None
    mean_wait_days: float | None
    trains_to_clear: int | None
    days_to_clear: float | None
    steady: bool
    backlog_after: tuple[int, ...]
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "backlog_after": list(self.backlog_after)}


def forecast(
    *,
    backlog_campaigns: int,
    backlog_minutes: int,
    arrived: int,
    arrived_minutes: int,
    over: timedelta,
    between_trains: timedelta,
    capacity_minutes: int,
    trains: int,
) -> Forecast:
    """arrived, arrived_minutes: campaigns within `over`, and what they need."""
    share = between_trains / over
    rate, load = arrived * share, arrived_minutes * share
    backlog, after = float(backlog_minutes), []
    for _train in range(trains):
        backlog = max(backlog + load - capacity_minutes, 0.0)
        after.append(round(backlog))
    net = capacity_minutes - load
    clear = 0 if not backlog_minutes else math.ceil(backlog_minutes / net) if net > 0 else None
    use = load / capacity_minutes if capacity_minutes else None
    wait = backlog_campaigns / (arrived / (over / timedelta(days=1))) if arrived else None
    days = None if clear is None else clear * (between_trains / timedelta(days=1))
    steady = wait is not None and (days is None or wait <= days)
    return Forecast(
        backlog_campaigns=backlog_campaigns,
        backlog_minutes=backlog_minutes,
        arrivals_per_train=round(rate, 3),
        arrival_minutes_per_train=round(load, 1),
        capacity_minutes=capacity_minutes,
        utilisation=None if use is None else round(use, 4),
        mean_wait_days=None if wait is None else round(wait, 2),
        trains_to_clear=clear,
        days_to_clear=None if days is None else round(days, 1),
        steady=steady,
        backlog_after=tuple(after),
        sentence=_sentence(
            backlog_campaigns, backlog_minutes, rate, load, capacity_minutes, use, wait if steady else None, clear, days
        ),
    )


def _sentence(
    campaigns: int, minutes: int, rate: float, load: float, capacity: int, use: float | None, wait: float | None, clear: int | None,
    days: float | None,
) -> str:
    told = f"{counted(campaigns, 'campaign waits', 'campaigns wait')} with {minutes / 60:.1f} QA hours; "
    if not rate:
        told += "none arrived in the time looked at"
    else:
        told += f"{rate:.1f} a train arrive with {load / 60:.1f} hours"
    if wait is not None:
        told += f", so one waits {wait:.1f} days in the mean (Little's law)"
    if use is None:
        return f"{told}; there is no capacity at all: the backlog only grows."
    if clear is None:
        return f"{told}; that is {use:.0%} of {capacity / 60:.1f} hours a train: the backlog grows for ever at these rates."
    when = f"the backlog is gone after {counted(clear, 'train')}"
    if not minutes:
        when = "there is no backlog"
    elif wait is None:
        when += f", so nobody waits longer than {days:.0f} days at these rates"
    return f"{told}; that is {use:.0%} of {capacity / 60:.1f} hours a train: {when}."
