"""When a fix is taken up: cadence, soak, triggers, backstop, deadlines, and what the policy refuses."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from suture.errors import BadInputError
from suture.model import Priority
from suture.policy import PolicyError, load_text
from suture.risk.strategy import Mode, Signs, StrategyPolicy
from suture.settings import PROJECT_ROOT

POLICY_DIR = PROJECT_ROOT / "include" / "policy"
OWN = StrategyPolicy.load(POLICY_DIR)
DATA: dict[str, Any] = yaml.safe_load((POLICY_DIR / "strategy.yaml").read_text())
LEAD = timedelta(days=3)
NO_LEAD = timedelta()


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def signs(published: str, **more: Any) -> Signs:
    return Signs(published=day(published), priority=more.pop("priority", Priority.SCHEDULED), **more)


def test_the_default_plans_at_once() -> None:
    assert OWN.of("web").name == "at_once"
    assert not OWN.anything_may_wait
    assert OWN.of("web").readiness(signs("2026-11-01"), day("2026-11-01"), LEAD).ready


def test_monthly_waits_for_the_cut_off_and_its_soak() -> None:
    monthly = OWN.named("monthly")
    # 2026-11-10 is the second Tuesday; Zurich's midnight is 23:00 UTC of the day before. Out on the 1st: goes on the 17th.
    found = monthly.readiness(signs("2026-11-01"), day("2026-11-05"), LEAD)
    assert not found.ready
    assert found.until == day("2026-11-16T23:00")
    assert "cut-off 2026-11-09 and 7 days of soak" in found.reason
    assert monthly.readiness(signs("2026-11-01"), day("2026-11-16T23:00"), LEAD).ready
    # Out a day after the cut-off: the next month's second Tuesday is 2026-12-08.
    assert monthly.release(day("2026-11-11")) == day("2026-12-14T23:00")


@pytest.mark.parametrize(
    ("more", "because"),
    [
        ({"kev_cve": "CVE-2026-1"}, "CVE-2026-1 is in CISA's catalogue"),
        ({"exploited_cve": "CVE-2026-2"}, "CVE-2026-2 is actively exploited"),
        ({"priority": Priority.IMMEDIATE}, "its priority is immediate"),
    ],
)
@pytest.mark.parametrize("name", ["monthly", "monthly_and_triggers", "on_exploit", "weekly", "wait_a_week"])
def test_an_emergency_ends_every_wait(name: str, more: dict[str, Any], because: str) -> None:
    calm = OWN.named(name).readiness(signs("2026-11-11"), day("2026-11-12"), LEAD)
    found = OWN.named(name).readiness(signs("2026-11-11", **more), day("2026-11-12"), LEAD)
    assert not calm.ready
    assert found.ready
    assert because in found.reason


def test_epss_triggers_where_the_strategy_says_so() -> None:
    likely = signs("2026-11-11", epss=0.4)
    now = day("2026-11-12")
    assert not OWN.named("monthly").readiness(likely, now, LEAD).ready
    assert OWN.named("monthly_and_triggers").readiness(likely, now, LEAD).ready
    assert not OWN.named("wait_a_week").readiness(likely, now, LEAD).ready
    assert not OWN.named("on_exploit").readiness(signs("2026-11-11", epss=None), now, LEAD).ready


def test_reactive_has_a_backstop() -> None:
    found = OWN.named("on_exploit").readiness(signs("2026-08-01"), day("2026-08-02"), LEAD)
    assert found.until == day("2026-10-30")
    assert OWN.named("on_exploit").readiness(signs("2026-08-01"), day("2026-10-30"), LEAD).ready


def test_a_wait_never_outlives_a_deadline() -> None:
    monthly = OWN.named("monthly")
    due = signs("2026-11-11", deadline=day("2026-11-20"))
    found = monthly.readiness(due, day("2026-11-12"), LEAD)
    assert found.until == day("2026-11-17")
    assert "deadline" in found.reason
    assert monthly.readiness(due, day("2026-11-17"), LEAD).ready


@given(
    published=st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    waited=st.timedeltas(timedelta(), timedelta(days=200)),
    due=st.one_of(st.none(), st.timedeltas(timedelta(), timedelta(days=120))),
    name=st.sampled_from([strategy.name for strategy in OWN.strategies]),
)
def test_ready_once_is_ready_for_good_and_no_wait_is_past(
    published: datetime, waited: timedelta, due: timedelta | None, name: str
) -> None:
    strategy, now = OWN.named(name), published + waited
    one = Signs(published, Priority.SCHEDULED, deadline=None if due is None else published + due)
    found = strategy.readiness(one, now, LEAD)
    if found.ready:
        assert strategy.readiness(one, now + timedelta(days=1), LEAD).ready
    else:
        assert found.until is not None
        assert now < found.until
        assert one.deadline is None or found.until <= one.deadline - LEAD
        assert strategy.readiness(one, found.until, LEAD).ready
        assert found.until <= published + timedelta(days=95)


def edited(**changes: Any) -> dict[str, Any]:
    data = deepcopy(DATA)
    data["strategies"] = [{"name": "at_once", "mode": "at_once", **changes}, *data["strategies"][1:]]
    return data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({**DATA, "default": "nothing"}, "default the strategy 'nothing'"),
        ({**DATA, "groups": {"web": "nothing"}}, "web the strategy 'nothing'"),
        ({**DATA, "strategies": DATA["strategies"] * 2}, "twice"),
        (edited(mode="proactive"), "needs a cadence"),
        (edited(cadence=DATA["strategies"][3]["cadence"]), "knows no cadence"),
        (edited(mode="reactive", backstop_days=9), "needs triggers"),
        (edited(mode="reactive", triggers={"epss_at_least": 0.1}), "needs backstop_days"),
        (edited(mode="both", cadence={**DATA["strategies"][3]["cadence"], "time_zone": "Mars/Base"},
                triggers={"epss_at_least": 0.1}), "'at_once': 'Mars/Base' is not a time zone"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(data: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInputError, match=why):
        StrategyPolicy.from_data(data)


def test_unknown_keys_are_refused() -> None:
    data = edited(mode="reactive", backstop_days=9, triggers={"in_kev": True, "epss_at_least": 0.1})
    with pytest.raises(PolicyError, match="no key 'in_kev'"):
        load_text(yaml.safe_dump(data), "strategy")


def test_an_ended_cadence_holds_nothing_back() -> None:
    data = edited(mode="proactive", cadence={"time_zone": "UTC", "first": "2020-01-01T00:00", "rule": "FREQ=MONTHLY;COUNT=2"})
    ended = StrategyPolicy.from_data(data).named("at_once")
    assert ended.release(day("2026-01-01")) is None
    assert ended.readiness(signs("2026-01-01"), day("2026-01-01"), NO_LEAD).ready
    assert replace(ended, mode=Mode.AT_ONCE, cadence=None).may_wait is False
