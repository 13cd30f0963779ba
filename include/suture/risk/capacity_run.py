"""Filling the trains from the warehouse: the assignment is kept, is evidence when it changes, and holds where the policy enforces.

Where it enforces, a planned campaign is handed to validation and staging when its train has come (an immediate one at once);
where it does not, everything is handed over as soon as it is planned, and the trains only show what QA has before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.model import Priority
from suture.risk.capacity import CapacityPolicy, TrainPlan, Work, fill_trains
from suture.risk.capacity_forecast import Forecast, forecast
from suture.store import Store
from suture.wording import counted

_ACTOR = "suture:risk_scoring"


@dataclass(frozen=True)
class Filling:
    plan: TrainPlan
    outlook: Forecast

    @property
    def sentence(self) -> str:
        placed = sum(1 for slot in self.plan.slots if slot.train is not None)
        over = f" Over capacity: {', '.join(sorted(self.plan.over))}." if self.plan.over else ""
        return (
            f"{counted(placed, 'campaign')} on {counted(len(self.plan.trains), 'train')}, "
            f"{counted(len(self.plan.waiting), 'waits', 'wait')} ({self.plan.solver}).{over}"
            f" {self.outlook.sentence}"
        )


def plan_trains(store: Store, rules: CapacityPolicy, *, now: datetime) -> Filling:
    """What the trains would hold; writes nothing."""
    work = _waiting_work(store, rules, now)
    first = rules.trains(now)[0]
    used = store.fetch_one(
        "capacity/fetch_used_capacity", {"train_id": first.train_id, "to_place": [one.campaign_id for one in work]}
    )
    assert used is not None
    trains = rules.trains(now, used_minutes=used["minutes"], used_places=used["campaigns"])
    return Filling(fill_trains(work, trains, rules), _outlook(store, rules, work, now))


def outlook(store: Store, rules: CapacityPolicy, *, now: datetime) -> Forecast:
    """The backlog's forecast alone: nothing is placed, so the solver does not run."""
    return _outlook(store, rules, _waiting_work(store, rules, now), now)


def _waiting_work(store: Store, rules: CapacityPolicy, now: datetime) -> list[Work]:
    measured = _measured(store)
    rows = [
        row
        for row in store.fetch_all("capacity/list_waiting_work")
        if not rules.enforce or row["released_at"] is None
    ]  # fmt: skip
    return [_work(row, rules, measured.get(row["asset_group"]), now) for row in rows]


def _outlook(store: Store, rules: CapacityPolicy, work: Sequence[Work], now: datetime) -> Forecast:
    measured, trains = _measured(store), rules.trains(now)
    arrivals = store.fetch_all("capacity/list_arrivals", {"since": now - rules.arrivals_over})
    return forecast(
        backlog_campaigns=len(work),
        backlog_minutes=sum(one.minutes for one in work),
        arrived=len(arrivals),
        arrived_minutes=sum(rules.minutes(row["packages"], measured.get(row["asset_group"])) for row in arrivals),
        over=rules.arrivals_over,
        between_trains=(trains[-1].ends_at - trains[0].starts_at) / len(trains),
        capacity_minutes=rules.minutes_per_train,
        trains=len(trains),
    )


def _measured(store: Store) -> dict[str, float]:
    return {row["asset_group"]: row["seconds"] for row in store.fetch_all("capacity/list_measured_tests")}


def write_trains(store: Store, rules: CapacityPolicy, *, now: datetime, actor: str = _ACTOR) -> Filling:
    """Fill the trains and keep the assignment, in one transaction."""
    with store.transaction():
        filling = plan_trains(store, rules, now=now)
        before = {row["campaign_id"]: row["train_id"] for row in store.fetch_all("capacity/list_waiting_work")}
        _write(store, rules, filling.plan, now)
        after = {slot.work.campaign_id: slot.train.train_id if slot.train else None for slot in filling.plan.slots}
        moved = {name: train for name, train in after.items() if before.get(name) != train}
        if moved:
            evidence.record(
                store,
                actor=actor,
                action="trains_filled",
                subject="capacity:trains",
                grounds={
                    "moved": moved,
                    "over_capacity": sorted(filling.plan.over),
                    "waiting": [slot.work.campaign_id for slot in filling.plan.waiting],
                    "solver": filling.plan.solver,
                    "enforced": rules.enforce,
                },
                at=now,
            )
    return filling


def hand_over(store: Store, rules: CapacityPolicy, planned: Sequence[str], *, now: datetime) -> list[str]:
    """Which campaigns go on to validation now: those planned now, or, where the policy enforces, those whose train has come."""
    write_trains(store, rules, now=now)
    if not rules.enforce:
        return list(planned)
    return sorted(row["campaign_id"] for row in store.fetch_all("capacity/release_train_slots", {"at": now}))


def capacity_view(store: Store, rules: CapacityPolicy, *, now: datetime) -> dict[str, Any]:
    """For the page: the trains with their campaigns and what is left of them, who waits and why, and the forecast."""
    slots = [
        {**_shown(row), "overdue": row["deadline"] is not None and row["deadline"] < now}
        for row in store.fetch_all("capacity/list_train_slots", {"at": now})
    ]
    trains = [
        {**_shown(row), "campaigns": [slot for slot in slots if slot["train_id"] == row["train_id"]]}
        for row in store.fetch_all("capacity/list_patch_trains", {"at": now})
    ]
    return {
        "enforced": rules.enforce,
        "trains": trains,
        "waiting": [slot for slot in slots if slot["train_id"] is None],
        "forecast": outlook(store, rules, now=now).as_json(),
    }


def _work(row: Mapping[str, Any], rules: CapacityPolicy, seconds: float | None, now: datetime) -> Work:
    priority = Priority(row["priority"])
    return Work(
        campaign_id=row["campaign_id"],
        priority=priority,
        minutes=rules.minutes(row["packages"], seconds),
        risk=rules.risk(priority, now - row["created_at"]),
        deadline=row["deadline"],
        measured=seconds is not None,
    )


def _write(store: Store, rules: CapacityPolicy, plan: TrainPlan, now: datetime) -> None:
    trains = [(train, plan.minutes_of(train)) for train in plan.trains]
    store.execute_many(
        "capacity/upsert_patch_train",
        [
            {
                "train_id": train.train_id,
                "starts_at": train.starts_at,
                "ends_at": train.ends_at,
                "capacity_minutes": train.capacity_minutes,
                "planned_minutes": minutes,
                "over_capacity": train.train_id in plan.over or minutes > train.capacity_minutes,
                "planned_at": now,
            }
            for train, minutes in trains
        ],
    )
    store.execute_many(
        "capacity/upsert_train_slot",
        [
            {
                "campaign_id": slot.work.campaign_id,
                "train_id": slot.train.train_id if slot.train else None,
                "minutes": slot.work.minutes,
                "measured": slot.work.measured,
                "risk": slot.work.risk,
                "sentence": slot.sentence,
                "planned_at": now,
                "released_at": None if rules.enforce else now,
            }
            for slot in plan.slots
        ],
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
