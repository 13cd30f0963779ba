"""Waiting against downtime: the hazard's arithmetic, the rules of choice, and what must hold for any stakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.errors import BadInputError
from suture.model import Criticality, Exposure
from suture.model.candidate import Candidates, CandidateWindow
from suture.risk.exposure_cost import (
    CHEAPEST,
    Choice,
    ExposurePolicy,
    Stakes,
    daily_hazard,
    expected_loss,
    hazard_of,
    weigh,
    with_measured,
)
from suture.settings import PROJECT_ROOT

RULES = ExposurePolicy.load(PROJECT_ROOT / "include" / "policy")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def windows(*days: float, name: str = "w", hours: float = 4, needed: float = 2) -> Candidates:
    starts = [NOW + DAY * number for number in days]
    found = [CandidateWindow(name, "UTC", start, start + HOUR * hours, HOUR * needed) for start in starts]
    return Candidates(tuple(found), None if hours >= needed else "It is too short.")


def stakes(**changes: Any) -> Stakes:
    return replace(Stakes(Criticality.HIGH, Exposure.OPEN, hosts=10, epss=(0.3,)), **changes)


def choose(candidates: Candidates, of: Stakes, rules: ExposurePolicy = RULES, **more: Any) -> Choice:
    return weigh(candidates, of, rules, **{"now": NOW, "since": NOW, "deadline": None, **more})


def test_the_daily_hazard_gives_back_the_thirty_day_probability() -> None:
    assert daily_hazard(0) == 0
    assert daily_hazard(1) == 1
    assert daily_hazard(0.3) == pytest.approx(0.011819, abs=1e-6)
    assert expected_loss(daily_hazard(0.3), 30, 1000) == pytest.approx(300)
    for bad in (-0.1, 1.1):
        with pytest.raises(BadInputError, match="from 0 to 1"):
            daily_hazard(bad)


def test_unknown_is_not_zero_and_exploitation_has_a_floor() -> None:
    hazard, told = hazard_of(stakes(epss=()), RULES)
    assert hazard == pytest.approx(daily_hazard(RULES.unknown_epss))
    assert "no EPSS is known" in told
    hazard, told = hazard_of(stakes(epss=(0.01,), exploited="CVE-2026-1"), RULES)
    assert hazard == RULES.floor
    assert "CVE-2026-1 is exploited" in told
    assert hazard_of(stakes(epss=(0.9,), exploited="CVE-2026-1"), RULES)[0] == daily_hazard(0.9)


def test_several_cves_are_combined_as_the_policy_says() -> None:
    two = stakes(epss=(0.3, 0.3))
    assert hazard_of(two, RULES)[0] == daily_hazard(0.3)
    assert hazard_of(two, replace(RULES, combine="independent"))[0] == pytest.approx(daily_hazard(0.51))


def test_by_hand() -> None:
    found = choose(windows(1, 2), stakes(minutes_per_host=6.0))
    one, two = found.windows
    # Impact 50,000 x 1.0; hazard 0.011819 a day: 591 after a day, 1,175 after two. Downtime: 10 hosts x 6 min x 10 = 600.
    assert one.waiting_cost == pytest.approx(590.96, abs=0.1)
    assert one.passing_cost == two.waiting_cost == pytest.approx(1174.9, abs=0.2)
    assert one.downtime_cost == two.downtime_cost == 600
    assert found.chosen == one.candidate
    assert "letting it pass would bring the cost of waiting to 1,175, and its downtime costs 600" in found.sentence
    assert found.arithmetic["minutes_measured"] is True


def test_the_earliest_window_in_which_waiting_costs_more() -> None:
    dear = stakes(minutes_per_host=16.0)  # downtime 1,600: waiting is at 1,175 on the second day, 1,752 on the third
    found = choose(windows(1, 2, 3, 4), dear)
    assert found.chosen == found.windows[1].candidate
    assert choose(windows(1, 2, 3, 4), dear, since=NOW - 20 * DAY).chosen == found.windows[0].candidate  # it waited already


def test_where_downtime_is_dearer_everywhere_it_is_the_last_before_the_deadline() -> None:
    calm = stakes(epss=(0.001,), hosts=1000)
    found = choose(windows(1, 2, 3, 9), calm, deadline=NOW + 4 * DAY)
    assert found.chosen == found.windows[2].candidate
    assert "the last of them before the deadline" in found.sentence
    late = choose(windows(8, 9), calm, deadline=NOW + 4 * DAY)
    assert late.chosen == late.windows[0].candidate
    assert "no window before the deadline fits" in late.sentence


def test_the_cheapest_total_takes_the_cheap_window() -> None:
    rules = replace(RULES, rule=CHEAPEST, cost_by_window={"night": 1.0, "day": 50.0})
    both = Candidates((*windows(1, name="day").windows, *windows(2, name="night").windows))
    found = choose(both, stakes(), rules)
    assert found.chosen is not None
    assert found.chosen.window == "night"
    assert choose(both, stakes(exploited="CVE-2026-1", hosts=1), rules).chosen == both.windows[0]


def test_too_short_windows_are_passed_over_and_nothing_fitting_is_refused() -> None:
    mixed = Candidates((*windows(1, hours=1).windows, *windows(2).windows))
    found = choose(mixed, stakes())
    assert found.chosen == mixed.windows[1]
    refused = choose(windows(1, 2, hours=1), stakes())
    assert (refused.refused, refused.chosen, refused.sentence) == (True, None, "It is too short.")


def test_the_emergency_lane_is_named_where_waiting_for_the_first_window_costs_more() -> None:
    assert choose(windows(9), stakes(exploited="CVE-2026-1", hosts=1)).now_is_cheaper
    assert "consider the emergency lane" in choose(windows(9), stakes(exploited="CVE-2026-1", hosts=1)).sentence
    assert not choose(windows(0.1), stakes(epss=(0.001,))).now_is_cheaper


def test_a_load_balancer_makes_downtime_cheaper_and_measured_minutes_count() -> None:
    plain, balanced = choose(windows(1), stakes()), choose(windows(1), stakes(load_balanced=True))
    assert balanced.windows[0].downtime_cost == pytest.approx(plain.windows[0].downtime_cost * RULES.behind_load_balancer)
    assert with_measured(stakes(), 90.0).minutes_per_host == 1.5
    assert with_measured(stakes(), None) == stakes()


@given(
    epss=st.lists(st.floats(0, 1), max_size=4),
    exploited=st.booleans(),
    criticality=st.sampled_from(Criticality),
    exposure=st.sampled_from(Exposure),
    hosts=st.integers(1, 5000),
    days=st.lists(st.floats(0, 300), min_size=1, max_size=8, unique=True).map(sorted),
    waited=st.integers(0, 100),
    deadline=st.one_of(st.none(), st.integers(0, 300)),
    rule=st.sampled_from([RULES.rule, CHEAPEST]),
)
def test_for_any_stakes(
    epss: list[float],
    exploited: bool,
    criticality: Criticality,
    exposure: Exposure,
    hosts: int,
    days: list[float],
    waited: int,
    deadline: int | None,
    rule: str,
) -> None:
    of = Stakes(criticality, exposure, hosts, tuple(epss), "CVE-1" if exploited else None)
    due = None if deadline is None else NOW + DAY * deadline
    found = choose(windows(*days), of, replace(RULES, rule=rule), since=NOW - DAY * waited, deadline=due)
    impact = found.arithmetic["impact"]
    costs = [one.waiting_cost for one in found.windows]
    assert costs == sorted(costs)
    assert all(0 <= one.waiting_cost <= one.passing_cost + 1e-9 <= impact + 1e-6 for one in found.windows)
    assert found.chosen in [one.candidate for one in found.windows]
    in_time = [one.candidate for one in found.windows if not one.after_deadline]
    assert not in_time or found.chosen in in_time
    json.dumps(found.as_json())
    # More danger never means later, by the rule of the earliest window.
    if rule == RULES.rule and not exploited and found.chosen is not None:
        worse = choose(windows(*days), replace(of, exploited="CVE-1"), RULES, since=NOW - DAY * waited, deadline=due)
        assert worse.chosen is not None
        assert worse.chosen.start <= found.chosen.start
