"""Test capacity: which campaign goes with which patch train. Policy: capacity.yaml.

The rules:

1. A campaign needs its test time, once for each environment, and its review time. Measured test times count before estimates.
2. A train never holds more than its QA hours, and never more campaigns than the WIP limit. One exception: campaigns of priority
   `immediate` go with the first train whatever that does to its capacity; then the train holds nothing else beyond its
   capacity, and it is said that it is over.
3. What is left of a train goes to the campaigns that bring the most risk for their time (a knapsack: mixed integer programming,
   HiGHS through scipy.optimize.milp). Later trains are worth less, trains after a campaign's deadline much less.
4. What does not fit goes to the next train; what fits no train within the horizon waits, and why is said. A campaign that is
   longer than a whole train never fits: it is said to be too long, since no waiting helps it.
5. Risk is the priority's points, growing with age.
6. The plan is checked against rules 2 and 4 before it is given out. Where the solver gives none, campaigns are taken in the order
   of risk per minute (greedy), and it is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import SutureError
from suture.model import Priority
from suture.model.recurrence import Rule, WindowError, instants, parse_local, parse_rule, time_zone
from suture.risk.knapsack import solve


class CapacityError(SutureError):
    """A train plan that breaks its own rules: a fault of the program, never handed on."""


@dataclass(frozen=True)
class CapacityPolicy:
    enforce: bool
    rule: Rule
    zone: Any
    horizon: int
    minutes_per_train: int
    environments: int
    wip_limit: int
    review_minutes: int
    test_minutes: int
    minutes_per_package: float
    risk_points: Mapping[Priority, float]
    ageing_per_day: float
    later: float
    after_deadline: float
    arrivals_over: timedelta

    @classmethod
    def load(cls, policy_dir: Path) -> CapacityPolicy:
        """Read capacity.yaml. Raises PolicyError for its form, WindowError for a rule or zone that cannot be used."""
        return cls.from_data(policy.load(policy_dir / "capacity.yaml", "capacity"))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> CapacityPolicy:
        trains, needs = data["trains"], data["needs"]
        try:
            zone, first = time_zone(trains["time_zone"]), parse_local(trains["first"])
            rule = Rule(first, parse_rule(trains["rule"], first, zone), timedelta(minutes=1))
        except WindowError as error:
            raise WindowError(f"capacity.yaml, trains: {error.message}", remedy=error.remedy) from error
        return cls(
            enforce=data["enforce"],
            rule=rule,
            zone=zone,
            horizon=data["horizon_trains"],
            minutes_per_train=int(data["qa_hours_per_train"] * 60),
            environments=data["environments"],
            wip_limit=data["wip_limit"],
            review_minutes=needs["review_minutes_per_campaign"],
            test_minutes=needs["test_minutes_per_campaign"],
            minutes_per_package=needs["test_minutes_per_package"],
            risk_points={Priority(word): float(points) for word, points in data["risk_points"].items()},
            ageing_per_day=data["ageing_per_day"],
            later=data["later_is_worth"],
            after_deadline=data["after_deadline_is_worth"],
            arrivals_over=timedelta(days=data["arrivals_over_days"]),
        )

    def trains(self, now: datetime, *, used_minutes: int = 0, used_places: int = 0) -> list[Train]:
        """The train under way and those that follow, up to the horizon; each ends where the next starts.

        used_*: what the train under way has taken already. Raises WindowError when the rule has ended.
        """
        before = now.astimezone(UTC) - timedelta(days=400)
        starts: list[datetime] = []
        for start, _end in instants(self.rule, self.zone, before):
            if start <= now:
                starts = [start]
            else:
                starts.append(start)
            if len(starts) > self.horizon + 1:
                break
        if len(starts) < 2:
            raise WindowError("capacity.yaml: the rule of the trains has ended.", remedy="Give it a later UNTIL, or none.")
        pairs = list(pairwise(starts))[: self.horizon]
        return [
            Train(
                start,
                end,
                self.minutes_per_train,
                self.wip_limit,
                used_minutes=used_minutes if number == 0 else 0,
                used_places=used_places if number == 0 else 0,
            )
            for number, (start, end) in enumerate(pairs)
        ]

    def minutes(self, packages: int, measured_seconds: float | None) -> int:
        """QA minutes of a campaign. measured_seconds: its test in one environment; None: estimated. At least 1."""
        test = self.test_minutes + packages * self.minutes_per_package
        if measured_seconds is not None:
            test = measured_seconds / 60
        return max(1, round(test * self.environments + self.review_minutes))

    def risk(self, priority: Priority, waiting: timedelta) -> float:
        return self.risk_points[priority] * (1 + self.ageing_per_day * max(waiting / timedelta(days=1), 0.0))


@dataclass(frozen=True)
class Train:
    """[starts_at, ends_at). used_*: what is in it already and cannot be moved."""

    starts_at: datetime
    ends_at: datetime
    capacity_minutes: int
    places: int
    used_minutes: int = 0
    used_places: int = 0

    @property
    def train_id(self) -> str:
        return f"{self.starts_at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


@dataclass(frozen=True)
class Work:
    """A campaign that wants testing. measured: whether minutes rest on a measurement."""

    campaign_id: str
    priority: Priority
    minutes: int
    risk: float
    deadline: datetime | None = None
    measured: bool = False


@dataclass(frozen=True)
class Slot:
    """Where a campaign goes. train is None when it waits; sentence says why."""

    work: Work
    train: Train | None
    sentence: str


@dataclass(frozen=True)
class TrainPlan:
    """over: trains that immediate campaigns alone fill beyond their capacity. solver: how the plan was found."""

    trains: tuple[Train, ...]
    slots: tuple[Slot, ...]
    over: frozenset[str]
    solver: str

    def minutes_of(self, train: Train) -> int:
        return train.used_minutes + sum(slot.work.minutes for slot in self.slots if slot.train == train)

    def campaigns_of(self, train: Train) -> list[str]:
        return [slot.work.campaign_id for slot in self.slots if slot.train == train]

    @property
    def waiting(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.train is None]


def fill_trains(work: Sequence[Work], trains: Sequence[Train], rules: CapacityPolicy) -> TrainPlan:
    """Put campaigns on trains by the rules above. Raises CapacityError if the outcome breaks one: nothing is handed on then."""
    first = trains[0]
    immediate = [one for one in work if one.priority is Priority.IMMEDIATE]
    others = [one for one in work if one.priority is not Priority.IMMEDIATE]
    room = [max(train.capacity_minutes - train.used_minutes, 0) for train in trains]
    places = [max(train.places - train.used_places, 0) for train in trains]
    urgent_minutes = sum(one.minutes for one in immediate)
    over = urgent_minutes > room[0] or len(immediate) > places[0]
    room[0] = 0 if over else room[0] - urgent_minutes
    places[0] = 0 if over else places[0] - len(immediate)
    worth = [[_worth(one, train, number, rules) for number, train in enumerate(trains)] for one in others]
    chosen, solver = solve([one.minutes for one in others], worth, room, places)
    slots = [Slot(one, first, _urgent(first, over)) for one in immediate]
    slots += [
        Slot(one, trains[place] if place is not None else None, _told(one, place, trains))
        for one, place in zip(others, chosen, strict=True)
    ]
    plan = TrainPlan(tuple(trains), tuple(slots), frozenset({first.train_id} if over else ()), solver)
    _check(plan, work)
    return plan


def _worth(work: Work, train: Train, number: int, rules: CapacityPolicy) -> float:
    late = work.deadline is not None and train.starts_at > work.deadline
    return float(work.risk * rules.later**number * (rules.after_deadline if late else 1.0))


def _urgent(train: Train, over: bool) -> str:
    told = f"Goes with the train of {train.starts_at:%Y-%m-%d} at once: its priority is immediate"
    return f"{told}, which counts more than capacity; that train is over its capacity." if over else f"{told}."


def _told(work: Work, place: int | None, trains: Sequence[Train]) -> str:
    largest = max(train.capacity_minutes for train in trains)
    if place is None and work.minutes > largest:
        return (
            f"Fits no train: it needs {work.minutes} QA minutes and a whole train has {largest}."
            " Split the campaign, or raise qa_hours_per_train."
        )
    what = f"{work.minutes} QA minutes, {work.risk:.1f} points, {work.risk / work.minutes * 60:.1f} an hour"
    if place is None:
        return f"Waits: the {len(trains)} trains until {trains[-1].starts_at:%Y-%m-%d} are full of what brings more ({what})."
    told = f"Goes with the train of {trains[place].starts_at:%Y-%m-%d} ({what})"
    if place:
        before = "the train before is" if place == 1 else f"the {place} trains before are"
        told += f"; {before} full of what brings more for its time"
    if work.deadline is not None and trains[place].starts_at > work.deadline:
        told += f"; that is after its deadline, {work.deadline:%Y-%m-%d}"
    return f"{told}."


def _check(plan: TrainPlan, work: Sequence[Work]) -> None:
    if sorted(slot.work.campaign_id for slot in plan.slots) != sorted(one.campaign_id for one in work):
        raise CapacityError("The train plan lost or doubled a campaign; nothing was changed.")
    for slot in plan.slots:
        if slot.work.priority is Priority.IMMEDIATE and slot.train != plan.trains[0]:
            raise CapacityError(f"The train plan lets {slot.work.campaign_id} wait, which is immediate; nothing was changed.")
    for train in plan.trains:
        here = [slot.work for slot in plan.slots if slot.train == train]
        if train.train_id in plan.over:
            fine = all(one.priority is Priority.IMMEDIATE for one in here)
        else:
            minutes = train.used_minutes + sum(one.minutes for one in here)
            fine = not here or (minutes <= train.capacity_minutes and train.used_places + len(here) <= train.places)
        if not fine:
            raise CapacityError(f"The train plan puts too much into {train.train_id}; nothing was changed.")


