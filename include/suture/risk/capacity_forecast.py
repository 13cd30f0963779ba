"""The backlog of testing: what comes in against what can be tested, and how long a campaign then waits.

The rules:

1. Arrivals are reckoned from the campaigns of the last days (policy); none in that time is a rate of zero, and said.
2. The backlog after each train is what it was, plus what arrives until the next, less what a train can test; never below zero.
   Arrivals at the mean rate only: a burst makes it longer, and near full use small bursts make it much longer.
3. The wait is that of this same forecast. Trains test without a pause while there is a backlog, so the last minute of today's
   work is tested after backlog / capacity trains, and the mean campaign waits half of that. (It is also the mean of all that are
   tested until the backlog is gone, those that arrive meanwhile included, in whatever order: the area under the backlog by what
   is tested. Little's law, backlog / arrivals, is of a steady state, and a backlog of once that shrinks is none.)
4. Where the backlog never ends, neither does the wait of what brings the least: no mean is told.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from suture.wording import counted


@dataclass(frozen=True)
class Forecast:
    """minutes are QA minutes. utilisation: arrivals by capacity (None: no capacity at all). mean_wait_days: of what
    waits now; it and trains_to_clear are None when the backlog never ends at these rates.
    """

    backlog_campaigns: int
    backlog_minutes: int
    arrivals_per_train: float
    arrival_minutes_per_train: float
    capacity_minutes: int
    utilisation: float | None
    mean_wait_days: float | None
    trains_to_clear: int | None
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
    wait = None if clear is None else backlog_minutes / capacity_minutes / 2 * (between_trains / timedelta(days=1)) if clear else 0.0
    return Forecast(
        backlog_campaigns=backlog_campaigns,
        backlog_minutes=backlog_minutes,
        arrivals_per_train=round(rate, 3),
        arrival_minutes_per_train=round(load, 1),
        capacity_minutes=capacity_minutes,
        utilisation=None if use is None else round(use, 4),
        mean_wait_days=None if wait is None else round(wait, 2),
        trains_to_clear=clear,
        backlog_after=tuple(after),
        sentence=_sentence(backlog_campaigns, backlog_minutes, rate, load, capacity_minutes, use, wait, clear),
    )


def _sentence(
    campaigns: int, minutes: int, rate: float, load: float, capacity: int, use: float | None, wait: float | None, clear: int | None
) -> str:
    told = f"{counted(campaigns, 'campaign waits', 'campaigns wait')} with {minutes / 60:.1f} QA hours; "
    told += f"{rate:.1f} a train arrive with {load / 60:.1f} hours" if rate else "none arrived in the time looked at"
    if use is None:
        return f"{told}; there is no capacity at all: the backlog only grows."
    if clear is None:
        return f"{told}; that is {use:.0%} of {capacity / 60:.1f} hours a train: the backlog grows for ever at these rates."
    told += f"; that is {use:.0%} of {capacity / 60:.1f} hours a train: "
    if not minutes:
        return f"{told}there is no backlog."
    return f"{told}the backlog is gone after {counted(clear, 'train')}, and what waits now waits {wait:.1f} days in the mean."
