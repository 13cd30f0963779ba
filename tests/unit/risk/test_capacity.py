"""Patch trains: never over capacity, never an immediate one left behind; the most risk for the time; the backlog."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.model import Priority
from suture.model.recurrence import WindowError
from suture.risk import knapsack
from suture.risk.capacity import CapacityError, CapacityPolicy, Slot, TrainPlan, Work, _check, fill_trains
from suture.risk.capacity_forecast import forecast
from suture.settings import PROJECT_ROOT

POLICY_DIR = PROJECT_ROOT / "include" / "policy"
RULES = CapacityPolicy.load(POLICY_DIR)
DATA: dict[str, Any] = yaml.safe_load((POLICY_DIR / "capacity.yaml").read_text())
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
P = Priority


def work(name: str, minutes: int, priority: Priority = P.SCHEDULED, **more: Any) -> Work:
    return Work(name, priority, minutes, more.pop("risk", RULES.risk_points[priority]), **more)


def fill(items: list[Work], rules: CapacityPolicy = RULES, **used: int) -> TrainPlan:
    return fill_trains(items, rules.trains(NOW, **used), rules)


def where(plan: TrainPlan) -> dict[str, int | None]:
    return {slot.work.campaign_id: plan.trains.index(slot.train) if slot.train else None for slot in plan.slots}


def test_trains_follow_one_another_from_the_one_under_way() -> None:
    trains = RULES.trains(NOW)
    assert trains[0].train_id == "2026-11-24T07:00Z"  # Tuesday 08:00 in Zurich
    assert len(trains) == RULES.horizon
    assert all(one.ends_at == other.starts_at for one, other in pairwise(trains))
    summer = RULES.trains(datetime(2026, 7, 1, tzinfo=UTC))[0]
    assert summer.train_id == "2026-06-30T06:00Z"
    ended = CapacityPolicy.from_data({**DATA, "trains": {**DATA["trains"], "rule": "FREQ=WEEKLY;UNTIL=20260201T000000Z"}})
    with pytest.raises(WindowError, match="has ended"):
        ended.trains(NOW)


def test_what_a_campaign_needs() -> None:
    assert RULES.minutes(10, None) == 20 + 10 + 30
    assert RULES.minutes(10, 600.0) == 10 + 30
    assert replace(RULES, environments=3).minutes(10, 600.0) == 30 + 30


def test_the_most_risk_for_the_time_goes_first_and_the_rest_to_the_next_train() -> None:
    rules = replace(RULES, minutes_per_train=100)
    plan = fill([work("long", 100, risk=30), work("a", 50, risk=20), work("b", 50, risk=20)], rules)
    assert where(plan) == {"a": 0, "b": 0, "long": 1}
    sentence = next(slot.sentence for slot in plan.slots if slot.work.campaign_id == "long")
    assert "the train before is full of what brings more for its time" in sentence
    assert plan.solver == "optimal"


def test_an_overload_never_exceeds_capacity_and_never_drops_an_immediate_one() -> None:
    rules = replace(RULES, minutes_per_train=480, wip_limit=6)
    items = [work(f"i{n}", 200, P.IMMEDIATE) for n in range(5)]
    items += [work(f"s{n}", 60 + n % 90, P.SCHEDULED) for n in range(80)]
    plan = fill(items, rules)
    places = where(plan)
    assert [places[f"i{n}"] for n in range(5)] == [0] * 5
    assert plan.over == {plan.trains[0].train_id}
    assert plan.campaigns_of(plan.trains[0]) == [f"i{n}" for n in range(5)]  # over capacity, and nothing else in it
    assert all("over its capacity" in slot.sentence for slot in plan.slots if slot.work.priority is P.IMMEDIATE)
    for train in plan.trains[1:]:
        assert plan.minutes_of(train) <= 480
        assert len(plan.campaigns_of(train)) <= 6
    assert len(plan.slots) == 85
    assert plan.waiting
    assert all("full of what brings more" in slot.sentence for slot in plan.waiting)


def test_immediate_ones_within_capacity_leave_their_room_to_others() -> None:
    rules = replace(RULES, minutes_per_train=100)
    plan = fill([work("i", 60, P.IMMEDIATE), work("a", 40), work("b", 41)], rules)
    assert where(plan) == {"i": 0, "a": 0, "b": 1}
    assert plan.over == frozenset()


def test_what_the_train_under_way_has_taken_is_gone() -> None:
    rules = replace(RULES, minutes_per_train=100)
    assert where(fill([work("a", 50)], rules, used_minutes=60)) == {"a": 1}
    assert where(fill([work("a", 50)], rules, used_minutes=50)) == {"a": 0}
    assert where(fill([work("a", 10)], rules, used_minutes=0, used_places=rules.wip_limit)) == {"a": 1}
    assert where(fill([work("a", 10, P.IMMEDIATE)], rules, used_minutes=300)) == {"a": 0}


def test_what_is_longer_than_a_train_is_said_to_be() -> None:
    plan = fill([work("huge", RULES.minutes_per_train + 1)])
    assert where(plan) == {"huge": None}
    assert "Fits no train" in plan.slots[0].sentence


def test_a_deadline_draws_a_campaign_forward_and_age_does_too() -> None:
    rules = replace(RULES, minutes_per_train=100)
    trains = rules.trains(NOW)
    due = work("due", 100, deadline=trains[1].starts_at - timedelta(hours=1))
    assert where(fill([work("other", 100), due], rules)) == {"other": 1, "due": 0}
    assert RULES.risk(P.DEFER, timedelta(days=365)) > RULES.risk(P.SCHEDULED, timedelta())


def test_nothing_to_do_and_no_capacity_at_all() -> None:
    assert fill([]).slots == ()
    none = replace(RULES, minutes_per_train=0)
    plan = fill([work("a", 1), work("i", 1, P.IMMEDIATE)], none)
    assert where(plan) == {"a": None, "i": 0}
    assert plan.over


ITEMS = st.lists(
    st.tuples(st.integers(1, 300), st.sampled_from(list(P)), st.integers(0, 60), st.integers(-10, 60)), max_size=25
)


@settings(deadline=None, max_examples=80)
@given(items=ITEMS, capacity=st.integers(0, 600), limit=st.integers(1, 8), horizon=st.integers(1, 4), used=st.integers(0, 700))
def test_for_any_backlog(
    items: list[tuple[int, Priority, int, int]], capacity: int, limit: int, horizon: int, used: int
) -> None:
    rules = replace(RULES, minutes_per_train=capacity, wip_limit=limit, horizon=horizon)
    todo = [
        Work(f"c{n}", priority, minutes, rules.risk(priority, timedelta(days=age)), NOW + timedelta(days=due))
        for n, (minutes, priority, age, due) in enumerate(items)
    ]
    plan = fill(todo, rules, used_minutes=used)
    assert sorted(slot.work.campaign_id for slot in plan.slots) == sorted(one.campaign_id for one in todo)
    for slot in plan.slots:
        assert slot.work.priority is not P.IMMEDIATE or slot.train == plan.trains[0]
    for train in plan.trains:
        here = plan.campaigns_of(train)
        if train.train_id in plan.over:
            assert all(slot.work.priority is P.IMMEDIATE for slot in plan.slots if slot.train == train)
        elif here:
            assert plan.minutes_of(train) <= capacity
            assert len(here) <= limit
    # No room is left that a waiting campaign would fit into.
    for slot in plan.waiting:
        for number, train in enumerate(plan.trains):
            if train.train_id not in plan.over:
                left = capacity - plan.minutes_of(train)
                assert slot.work.minutes > left or len(plan.campaigns_of(train)) >= limit, (number, slot)


def test_the_solver_agrees_with_trying_everything() -> None:
    weights, room, places = [3, 4, 5, 6, 2], [7, 6], [2, 2]
    worth = [[w * 3.0 + i, w * 2.5] for i, w in enumerate(weights)]

    def total(assignment: tuple[int | None, ...]) -> float:
        for t in range(2):
            here = [weights[i] for i, place in enumerate(assignment) if place == t]
            if sum(here) > room[t] or len(here) > places[t]:
                return -1.0
        return sum(worth[i][place] for i, place in enumerate(assignment) if place is not None)

    best = max(total(assignment) for assignment in product((None, 0, 1), repeat=5))
    chosen, word = knapsack.solve(weights, worth, room, places)
    assert total(tuple(chosen)) == pytest.approx(best)
    assert word == "optimal"


def test_without_a_solution_in_time_it_is_greedy_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knapsack, "_solved", lambda *_: None)
    plan = fill([work(f"c{n}", 300) for n in range(5)], replace(RULES, minutes_per_train=600))
    assert sorted(place for place in where(plan).values() if place is not None) == [0, 0, 1, 1, 2]
    assert "found no plan in time" in plan.solver


def test_beyond_the_size_for_all_at_once_it_goes_train_by_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knapsack, "ALL_AT_ONCE", 10)
    plan = fill([work(f"c{n}", 100) for n in range(20)], replace(RULES, minutes_per_train=300))
    assert plan.solver.startswith("one train after the other")
    assert [len(plan.campaigns_of(train)) for train in plan.trains[:7]] == [3, 3, 3, 3, 3, 3, 2]


def test_a_plan_that_breaks_a_rule_is_never_given_out() -> None:
    trains = RULES.trains(NOW)
    big, urgent = work("big", RULES.minutes_per_train + 1), work("i", 1, P.IMMEDIATE)
    for slots, todo, why in (
        ((Slot(big, trains[0], ""),), [big], "too much"),
        ((Slot(urgent, None, ""),), [urgent], "immediate"),
        ((), [big], "lost"),
    ):
        with pytest.raises(CapacityError, match=why):
            _check(TrainPlan(tuple(trains), slots, frozenset(), ""), todo)


def outlook(**changes: Any) -> Any:
    given_values: dict[str, Any] = {
        "backlog_campaigns": 10, "backlog_minutes": 1200, "arrived": 90, "arrived_minutes": 5400,
        "over": timedelta(days=90), "between_trains": timedelta(days=7), "capacity_minutes": 600, "trains": 4,
    }  # fmt: skip
    return forecast(**{**given_values, **changes})


def test_littles_law_and_the_backlog_by_hand() -> None:
    found = outlook()
    assert found.arrivals_per_train == 7
    assert found.arrival_minutes_per_train == 420
    assert found.mean_wait_days == 10  # ten in the system, one a day
    assert found.backlog_after == (1020, 840, 660, 480)
    assert found.trains_to_clear == 7
    assert found.utilisation == 0.7


def test_the_mean_wait_is_only_said_of_a_backlog_that_lasts_as_long() -> None:
    """59 campaigns of one day among 60 in 90 days: Little's law says 88 days each, and all are tested in 35."""
    steady = outlook()
    assert steady.steady
    assert "so one waits 10.0 days in the mean" in steady.sentence
    assert steady.days_to_clear == 49
    burst = outlook(backlog_campaigns=59, backlog_minutes=3120, arrived=60, arrived_minutes=3180, capacity_minutes=960)
    assert burst.mean_wait_days == 88.5
    assert (burst.trains_to_clear, burst.days_to_clear, burst.steady) == (5, 35, False)
    assert "mean" not in burst.sentence
    assert burst.sentence.endswith("the backlog is gone after 5 trains, so nobody waits longer than 35 days at these rates.")


def test_an_overloaded_team_is_told_so_and_silence_is_not_zero() -> None:
    growing = outlook(capacity_minutes=400)
    assert growing.trains_to_clear is None
    assert growing.backlog_after[-1] > growing.backlog_minutes
    assert "grows for ever" in growing.sentence
    assert outlook(arrived=0, arrived_minutes=0).mean_wait_days is None
    assert outlook(capacity_minutes=0).utilisation is None
    assert outlook(backlog_campaigns=0, backlog_minutes=0).trains_to_clear == 0
